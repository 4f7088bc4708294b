import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { helmBinary } from './binaries.ts';
import { run, type RunOptions, type RunResult } from './run.ts';
import type { TestBed } from './test-bed.ts';

/** The real Helm, as administrator of a test bed's cluster. */
export interface Helm {
  /** Runs it. @throws CommandError on an exit code other than 0, unless `anyExit` */
  (args: readonly string[], options?: Pick<RunOptions, 'anyExit' | 'signal' | 'timeoutMs'>): Promise<RunResult>;
}

/** More than the `--timeout` of any command, whose message says more than ours. */
const timeoutMs = 150_000;

/** Makes Helm for a test bed: its folders are the test bed's, so that nobody's plugins or repositories matter. */
export async function prepareHelm({ slot, controlPlane }: TestBed): Promise<Helm> {
  const program = await helmBinary(slot.progress);
  const folder = join(controlPlane.dir, 'helm');
  await mkdir(folder, { recursive: true });
  const env: NodeJS.ProcessEnv = {
    ...slot.env,
    KUBECONFIG: controlPlane.adminKubeconfig,
    KUBECACHEDIR: join(folder, 'discovery'),
    HELM_CACHE_HOME: join(folder, 'cache'),
    HELM_CONFIG_HOME: join(folder, 'config'),
    HELM_DATA_HOME: join(folder, 'data'),
  };
  return (args, options = {}) => run([program, ...args], { timeoutMs, ...options, env });
}
