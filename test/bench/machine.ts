import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { exists } from '../cluster/cache.ts';
import { kubernetesVersion } from '../cluster/binaries.ts';
import { run } from '../cluster/run.ts';
import type { TestBed } from '../cluster/test-bed.ts';

/** The machine and the programs of a run, a line each. */
export async function describeMachine(bed: TestBed): Promise<string[]> {
  const { tools, env } = bed.slot;
  const firstLine = async (program: string, ...args: string[]): Promise<string> => {
    const { stdout } = await run([await tools.find(program), ...args], { env });
    return stdout.split('\n')[0] ?? '';
  };
  const processors = cpus();
  const distribution = /^PRETTY_NAME="(.*)"$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  const cgroups = (await exists('/sys/fs/cgroup/cgroup.controllers')) ? 'v2' : 'v1';
  return [
    `${processors.length.toString()} × ${processors[0]?.model.trim() ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30).toString()} GiB`,
    `${distribution}, Linux ${release()}, cgroup ${cgroups}`,
    `Docker Engine ${(await bed.engine.docker(['version', '--format={{.Server.Version}}'])).trim()}`,
    // "containerd github.com/containerd/containerd 1.6.20~ds1 …" and "runc version 1.1.5+ds1".
    `containerd ${(await firstLine('containerd', '--version')).split(' ')[2] ?? ''}, ${(await firstLine('runc', '--version')).replace(' version', '')}`,
    `Kubernetes ${kubernetesVersion}, Node.js ${process.version}`,
  ];
}
