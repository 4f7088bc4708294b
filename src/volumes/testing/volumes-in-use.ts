import { readFileSync } from 'node:fs';
import path from 'node:path';
import { settle } from '../../lib/fake-clock.ts';
import type { MountedVolume } from '../types.ts';
import type { VolumeBench } from './volume-bench.ts';

/** Longer than changes are given to settle. */
export const SETTLED_MS = 150;

export const settings = { name: 'settings', configMap: { name: 'cm' } };
export const token = {
  name: 'token',
  projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 600 } }, { configMap: { name: 'cm' } }] },
};
export const labels = { name: 'labels', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } };

export function read(volumes: ReadonlyMap<string, MountedVolume>, name: string, file: string): string {
  return readFileSync(path.join(volumes.get(name)?.hostPath ?? '', file), 'utf8');
}

/** File writes take real time, of which the fake clock knows nothing. */
export async function eventually(check: () => void): Promise<void> {
  for (let turn = 0; ; turn += 1) {
    try {
      check();
      return;
    } catch (error) {
      if (turn > 2000) throw error;
      await settle();
    }
  }
}

export async function pass(bench: VolumeBench, ms: number): Promise<void> {
  await bench.clock.advance(ms);
  for (let turn = 0; turn < 20; turn += 1) await settle();
}
