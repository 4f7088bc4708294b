import type { VolumeManager, VolumeManagerDeps } from './types.ts';

export declare function createVolumeManager(deps: VolumeManagerDeps): VolumeManager;
