import { readFile, readlink, rm, stat } from 'node:fs/promises';
import { expect } from 'vitest';
import { errorCode } from '../../../src/lib/errors.ts';
import { waitFor } from '../../cluster/wait.ts';
import type { ContractCase } from './bed.ts';

const rejectionCode = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'resolved', errorCode);
const nowNs = (): bigint => BigInt(Date.now()) * 1_000_000n;
const second = 1_000_000_000n;

export const containerCases: readonly ContractCase[] = [
  {
    title: 'goes from created to running to exited, with its times',
    run: async (bed) => {
      const began = nowNs();
      const sandbox = await bed.sandbox();
      const id = await bed.create(sandbox, 'sleep 0.2', {
        labels: { a: 'b' },
        annotations: { c: 'd' },
        metadata: { name: 'job', attempt: 3 },
      });
      const created = await bed.runtime.containerStatus(id, bed.signal);
      expect(created).toMatchObject({
        id,
        state: 'created',
        startedAt: 0n,
        finishedAt: 0n,
        reason: '',
        metadata: { name: 'job', attempt: 3 },
      });
      expect(created.createdAt).toBeGreaterThan(began - second);
      await bed.runtime.startContainer(id, bed.signal);
      const exited = await bed.reaches(id, 'exited');
      expect(exited).toMatchObject({ exitCode: 0, reason: 'Completed', labels: { a: 'b' }, annotations: { c: 'd' } });
      expect(exited.startedAt).toBeGreaterThanOrEqual(created.createdAt);
      expect(exited.finishedAt - exited.startedAt).toBeGreaterThan(second / 10n);
      expect(exited.finishedAt).toBeLessThan(nowNs() + second);
    },
  },
  {
    title: 'is running for every question that is asked after its start',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const id = await bed.create(sandbox, 'sleep 60');
      await bed.runtime.startContainer(id, bed.signal);
      const [status, list] = await Promise.all([
        bed.runtime.containerStatus(id, bed.signal),
        bed.runtime.listContainers({ podSandboxId: sandbox.id }, bed.signal),
      ]);
      expect(status.state).toBe('running');
      expect(status.finishedAt).toBe(0n);
      expect(list.map((one) => [one.id, one.state, one.podSandboxId])).toEqual([[id, 'running', sandbox.id]]);
    },
  },
  {
    title: 'labels and annotations come back exactly, without those of its image',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const labels = { 'io.kubernetes.container.name': 'x', 'annotation.q': 'r', 'shorelet.io/type': 'forged', '': '' };
      const annotations = { 'io.kubernetes.container.hash': '1a2b', 'a/b': 'line\n"two"', e: '' };
      const id = await bed.create(sandbox, 'true', { labels, annotations });
      const status = await bed.runtime.containerStatus(id, bed.signal);
      expect(status.labels).toEqual(labels);
      expect(status.annotations).toEqual(annotations);
      const [listed] = await bed.runtime.listContainers({ id }, bed.signal);
      expect(listed).toMatchObject({ labels, annotations });
    },
  },
  {
    title: 'an exit code other than 0 is an Error',
    run: async (bed) => {
      const id = await bed.start(await bed.sandbox(), 'exit 42');
      expect(await bed.reaches(id, 'exited')).toMatchObject({ exitCode: 42, reason: 'Error' });
    },
  },
  {
    title: 'a container that takes more memory than it may is OOMKilled',
    run: async (bed) => {
      const script = 'x=$(head -c 200000000 /dev/zero | tr "\\0" x); echo ${#x}';
      const resources = { memoryLimitInBytes: 32 * 1024 * 1024 };
      const id = await bed.start(await bed.sandbox(), script, { linux: { resources }, command: ['sh', '-c', `exec sh -c '${script}'`] });
      expect(await bed.reaches(id, 'exited')).toMatchObject({ reason: 'OOMKilled' });
    },
  },
  {
    title: 'a program that does not exist cannot run, and the status says so',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const id = await bed.create(sandbox, '', { command: ['/no/such/program'] });
      await expect(bed.runtime.startContainer(id, bed.signal)).rejects.toThrow('/no/such/program');
      const status = await bed.runtime.containerStatus(id, bed.signal);
      expect(status).toMatchObject({ state: 'exited', reason: 'ContainerCannotRun' });
      expect([127, 128]).toContain(status.exitCode);
      expect(status.message).toContain('/no/such/program');
      expect(status.finishedAt).toBeGreaterThan(0n);
    },
  },
  {
    title: 'stopping sends the stop signal first',
    run: async (bed) => {
      const id = await bed.start(await bed.sandbox(), 'trap "exit 5" TERM; while :; do sleep 0.05; done');
      await bed.exec(id, 'true');
      await bed.runtime.stopContainer(id, 20, bed.signal);
      expect(await bed.runtime.containerStatus(id, bed.signal)).toMatchObject({ state: 'exited', exitCode: 5 });
    },
  },
  {
    title: 'a stop signal of its own is sent instead of SIGTERM',
    run: async (bed) => {
      const script = 'trap "exit 6" USR1; trap "exit 7" TERM; while :; do sleep 0.05; done';
      const id = await bed.start(await bed.sandbox(), script, { stopSignal: 'SIGUSR1' });
      await bed.exec(id, 'true');
      expect((await bed.runtime.containerStatus(id, bed.signal)).stopSignal).toBe('SIGUSR1');
      await bed.runtime.stopContainer(id, 20, bed.signal);
      expect((await bed.runtime.containerStatus(id, bed.signal)).exitCode).toBe(6);
    },
  },
  {
    title: 'who ignores the signal is killed after the grace period, and at once without one',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const script = 'trap "" TERM; while :; do sleep 0.1; done';
      const slow = await bed.start(sandbox, script, { metadata: { name: 'slow', attempt: 0 } });
      const quick = await bed.start(sandbox, script, { metadata: { name: 'quick', attempt: 0 } });
      const began = Date.now();
      await bed.runtime.stopContainer(quick, 0, bed.signal);
      const afterQuick = Date.now();
      await bed.runtime.stopContainer(slow, 1, bed.signal);
      const afterSlow = Date.now();
      expect(afterQuick - began).toBeLessThan(10_000); // the busiest machine is quicker; without the kill it would never end
      expect(afterSlow - afterQuick).toBeGreaterThanOrEqual(990);
      for (const id of [slow, quick]) expect((await bed.runtime.containerStatus(id, bed.signal)).exitCode).toBe(137);
    },
  },
  {
    title: 'stopping and removing what is stopped, removed or never was is success',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const id = await bed.start(sandbox, 'exit 0');
      await bed.reaches(id, 'exited');
      await bed.runtime.stopContainer(id, 5, bed.signal);
      const never = await bed.create(sandbox, 'true', { metadata: { name: 'never', attempt: 0 } });
      await bed.runtime.stopContainer(never, 5, bed.signal);
      expect((await bed.runtime.containerStatus(never, bed.signal)).state).toBe('created');
      await bed.runtime.removeContainer(id, bed.signal);
      await bed.runtime.removeContainer(id, bed.signal);
      await bed.runtime.stopContainer(id, 5, bed.signal);
      await bed.runtime.removeContainer('e'.repeat(64), bed.signal);
    },
  },
  {
    title: 'removing kills what runs, and nothing of it is found any more',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const id = await bed.start(sandbox, 'sleep 600');
      const { logPath } = await bed.runtime.containerStatus(id, bed.signal);
      await bed.runtime.removeContainer(id, bed.signal);
      expect(await rejectionCode(bed.runtime.containerStatus(id, bed.signal))).toBe('NotFound');
      expect(await bed.runtime.listContainers({ podSandboxId: sandbox.id }, bed.signal)).toEqual([]);
      await expect(stat(logPath)).rejects.toThrow('ENOENT');
    },
  },
  {
    title: 'lists by id, sandbox, state and labels',
    run: async (bed) => {
      const [one, two] = [await bed.sandbox(), await bed.sandbox()];
      const a = await bed.start(one, 'sleep 60', { labels: { app: 'a', all: 'x' } });
      const b = await bed.create(two, 'sleep 60', { labels: { app: 'b', all: 'x' } });
      const ids = async (filter: Parameters<typeof bed.runtime.listContainers>[0]): Promise<string[]> =>
        (await bed.runtime.listContainers(filter, bed.signal))
          .map((each) => each.id)
          .filter((id) => id === a || id === b)
          .sort();
      expect(await ids({})).toEqual([a, b].sort());
      expect(await ids({ id: a })).toEqual([a]);
      expect(await ids({ podSandboxId: two.id })).toEqual([b]);
      expect(await ids({ state: 'running' })).toEqual([a]);
      expect(await ids({ state: 'created' })).toEqual([b]);
      expect(await ids({ labelSelector: { all: 'x', app: 'a' } })).toEqual([a]);
      expect(await ids({ podSandboxId: one.id, labelSelector: { app: 'b' } })).toEqual([]);
    },
  },
  {
    title: 'questions about unknown containers, sandboxes and images are NotFound',
    run: async (bed) => {
      const gone = 'd'.repeat(64);
      expect(await rejectionCode(bed.runtime.containerStatus(gone, bed.signal))).toBe('NotFound');
      expect(await rejectionCode(bed.runtime.startContainer(gone, bed.signal))).toBe('NotFound');
      expect(await rejectionCode(bed.runtime.execSync(gone, ['true'], 0, bed.signal))).toBe('NotFound');
      const sandbox = await bed.sandbox();
      expect(await rejectionCode(bed.create({ id: gone, config: sandbox.config }, 'true'))).toBe('NotFound');
      expect(await rejectionCode(bed.create(sandbox, 'true', { image: { image: 'no.such.registry.example/image:1' } }))).toBe('NotFound');
    },
  },
  {
    title: 'its log is where it was asked for, both streams in order',
    run: async (bed) => {
      const sandbox = await bed.sandbox();
      const id = await bed.start(sandbox, 'echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three', { logPath: 'app/7.log' });
      const { logPath } = await bed.reaches(id, 'exited');
      expect(logPath).toBe(`${sandbox.config.logDirectory}/app/7.log`);
      expect(bed.under.parseLog(await readFile(logPath, 'utf8'))).toEqual([
        { stream: 'stdout', text: 'one' },
        { stream: 'stderr', text: 'two' },
        { stream: 'stdout', text: 'three' },
      ]);
    },
  },
  {
    title: 'reopening a log restores it where it is missing',
    run: async (bed) => {
      const id = await bed.start(await bed.sandbox(), 'while :; do echo tick; sleep 0.1; done');
      const { logPath } = await bed.runtime.containerStatus(id, bed.signal);
      const target = await readlink(logPath).catch(() => undefined);
      await rm(logPath);
      await bed.runtime.reopenContainerLog(id, bed.signal);
      await waitFor('the log', async () => (await readFile(logPath, 'utf8')).includes('tick'), { timeoutMs: 20_000 });
      // Where the log is a link to the runtime's own file there is nothing to reopen.
      if (target !== undefined) expect(await rejectionCode(bed.runtime.reopenContainerLog(id, bed.signal))).toBe('FailedPrecondition');
    },
  },
  {
    title: 'resources of a running container change in place',
    run: async (bed) => {
      const resources = { memoryLimitInBytes: 64 * 1024 * 1024, cpuShares: 100, cpuPeriod: 100_000, cpuQuota: 50_000 };
      const id = await bed.start(await bed.sandbox(), 'sleep 60', { linux: { resources } });
      expect((await bed.runtime.containerStatus(id, bed.signal)).resources).toMatchObject(resources);
      const more = { memoryLimitInBytes: 128 * 1024 * 1024, cpuShares: 200, cpuPeriod: 100_000, cpuQuota: 75_000 };
      await bed.runtime.updateContainerResources(id, more, bed.signal);
      expect((await bed.runtime.containerStatus(id, bed.signal)).resources).toMatchObject(more);
      const less = { memoryLimitInBytes: 48 * 1024 * 1024 };
      await bed.runtime.updateContainerResources(id, less, bed.signal);
      expect((await bed.runtime.containerStatus(id, bed.signal)).resources).toMatchObject({ ...more, ...less });
    },
  },
  {
    title: 'running containers outlive the service, which knows them again',
    run: async (bed) => {
      if (bed.under.restart === undefined) return;
      const sandbox = await bed.sandbox({ annotations: { keep: 'me' } });
      const running = await bed.start(sandbox, 'sleep 600', { metadata: { name: 'running', attempt: 2 }, labels: { l: 'm' } });
      const failed = await bed.create(sandbox, '', { metadata: { name: 'failed', attempt: 0 }, command: ['/nope'] });
      await bed.runtime.startContainer(failed, bed.signal).catch(() => undefined);
      const ending = await bed.start(sandbox, 'sleep 1; exit 9', { metadata: { name: 'ending', attempt: 0 } });
      const look = async (): Promise<unknown[]> =>
        Promise.all([
          bed.runtime.podSandboxStatus(sandbox.id, bed.signal),
          bed.runtime.containerStatus(running, bed.signal),
          bed.runtime.containerStatus(failed, bed.signal),
        ]);
      const before = await look();
      await bed.under.restart();
      expect(await look()).toEqual(before);
      expect(await bed.reaches(ending, 'exited')).toMatchObject({ exitCode: 9 });
      expect((await bed.exec(running, 'echo alive')).stdout).toBe('alive\n');
    },
  },
];
