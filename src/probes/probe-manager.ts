import type { ProbeManager, ProbeManagerDeps } from './types.ts';

export declare function createProbeManager(deps: ProbeManagerDeps): ProbeManager;
