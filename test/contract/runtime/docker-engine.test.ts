import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { containerName, sandboxName } from '../../../src/dockershim/names.ts';
import type { DockershimSettings } from '../../../src/dockershim/settings.ts';
import type { DockerService } from '../../../src/dockershim/types.ts';
import { errorCode } from '../../../src/lib/errors.ts';
import type { ContainerEventMessage } from '../../../src/runtime/types.ts';
import type { TestBed } from '../../cluster/test-bed.ts';
import { waitFor } from '../../cluster/wait.ts';
import { Bed } from './bed.ts';
import { dockerUnderTest, settingsOn, startDockerBed, startDockershim } from './docker-bed.ts';

/** What only DockerService promises: to be a guest on the engine, and to ride out its absences. */
describe('DockerService and its engine', () => {
  const { signal } = new AbortController();
  let testBed: TestBed;
  let service: DockerService;
  let bed: Bed;
  const others: DockerService[] = [];

  beforeAll(async () => {
    testBed = await startDockerBed();
    service = await startDockershim(settingsOn(testBed));
    bed = new Bed(dockerUnderTest(() => service, testBed));
  });
  afterEach(async () => {
    await bed.cleanUp();
    for (const other of others.splice(0)) await other.stop();
  });
  afterAll(async () => {
    await service.stop();
    await testBed.stop();
  });

  async function another(changes: Partial<DockershimSettings>): Promise<DockerService> {
    const other = await startDockershim(settingsOn(testBed, changes));
    others.push(other);
    return other;
  }

  test('two instances on one engine do not see each other, nor anything without a label', async () => {
    const foreign = (
      await testBed.engine.docker(['run', '--detach', '--label', 'io.kubernetes.pod.name=x', 'busybox', 'sleep', '600'])
    ).trim();
    const neighbour = await another({ instanceId: 'neighbour', rootDirectory: path.join(testBed.node.dir, 'neighbour') });
    const heard = listen(neighbour);
    await waitFor('the subscription', () => heard.messages.length > 0, { timeoutMs: 20_000 });
    const sandbox = await bed.sandbox();
    const container = await bed.start(sandbox, 'sleep 600');

    expect(await neighbour.runtime.listPodSandbox({}, signal)).toEqual([]);
    expect(await neighbour.runtime.listContainers({}, signal)).toEqual([]);
    for (const id of [container, foreign]) {
      expect(await neighbour.runtime.containerStatus(id, signal).then(() => 'found', errorCode)).toBe('NotFound');
      await neighbour.runtime.stopContainer(id, 0, signal);
      await neighbour.runtime.removeContainer(id, signal);
    }
    await neighbour.runtime.removePodSandbox(sandbox.id, signal);
    expect((await bed.runtime.containerStatus(container, signal)).state).toBe('running');
    expect(await testBed.engine.docker(['inspect', '--format', '{{.State.Running}}', foreign])).toBe('true\n');
    expect(heard.messages).toEqual([{ kind: 'resync' }]);
    heard.stop();
    await testBed.engine.docker(['rm', '--force', foreign]);
  });

  test('names and labels are where people look for them', async () => {
    const sandbox = await bed.sandbox({ labels: { 'io.kubernetes.pod.name': 'shown' } });
    const id = await bed.start(sandbox, 'sleep 60', { labels: { 'io.kubernetes.container.name': 'main' } });
    const names = (await testBed.engine.docker(['ps', '--format', '{{.Names}}'])).split('\n');
    const { name, namespace, uid } = sandbox.config.metadata;
    expect(names).toEqual(expect.arrayContaining([`k8s_POD_${name}_${namespace}_${uid}_0`, `k8s_main_${name}_${namespace}_${uid}_0`]));
    const label = (of: string, key: string): Promise<string> =>
      testBed.engine.docker(['inspect', '--format', `{{index .Config.Labels "${key}"}}`, of]);
    expect(await label(id, 'io.kubernetes.container.name')).toBe('main\n');
    expect(await label(sandbox.id, 'io.kubernetes.pod.name')).toBe('shown\n');
    expect(await label(id, 'shorelet.io/instance')).toBe('contract\n');
  });

  test('a leftover of our own with the same name gives way, a running one is AlreadyExists', async () => {
    const sandbox = await bed.sandbox();
    const leftover = await bed.create(sandbox, 'true');
    const id = await bed.create(sandbox, 'sleep 60');
    expect(await bed.runtime.containerStatus(leftover, signal).then(() => 'found', errorCode)).toBe('NotFound');
    await bed.runtime.startContainer(id, signal);
    expect(await bed.create(sandbox, 'true').then(() => 'created', errorCode)).toBe('AlreadyExists');
    expect((await bed.runtime.containerStatus(id, signal)).state).toBe('running');
  });

  test('somebody else’s container with the wanted name stays, and ours gets another name', async () => {
    const config = bed.sandboxConfig();
    const name = sandboxName(config.metadata);
    const foreign = (await testBed.engine.docker(['create', '--name', name, 'busybox'])).trim();
    const id = await bed.runtime.runPodSandbox(config, '', signal);
    bed.removeLater(id);
    expect((await bed.runtime.podSandboxStatus(id, signal)).metadata).toEqual(config.metadata);
    expect(await testBed.engine.docker(['inspect', '--format', '{{.Name}}', foreign])).toBe(`/${name}\n`);
    await testBed.engine.docker(['rm', foreign]);
  });

  test('host ports lead to the sandbox', async () => {
    const portMappings = [
      { protocol: 'TCP', containerPort: 8080, hostPort: 18080, hostIp: '' },
      { protocol: 'TCP', containerPort: 9090, hostPort: 0, hostIp: '' },
    ] as const;
    const sandbox = await bed.sandbox({ portMappings });
    await bed.start(sandbox, 'while :; do echo answer | nc -l -p 8080; done');
    const answer = await waitFor('an answer', () => ask(testBed.node.address, 18080), { timeoutMs: 20_000 });
    expect(answer).toBe('answer\n');
  });

  test('log rotation is the engine’s, by the settings', async () => {
    const id = await bed.create(await bed.sandbox(), 'true');
    const config = await testBed.engine.docker(['inspect', '--format', '{{json .HostConfig.LogConfig}}', id]);
    expect(JSON.parse(config)).toEqual({
      Type: 'json-file',
      Config: { 'max-size': String(10 * 1024 * 1024 - 128 * 1024), 'max-file': '5' },
    });
  });

  test('an engine that is killed and comes back is found again, and what ended meanwhile is known', async () => {
    const sandbox = await bed.sandbox();
    const lasting = await bed.start(sandbox, 'sleep 600', { metadata: { name: 'lasting', attempt: 0 } });
    const heard = listen(service);
    await waitFor('the subscription', () => heard.messages.length > 0, { timeoutMs: 20_000 });
    await testBed.engine.kill();
    await waitFor('the loss to show', async () => !(await runtimeReady()), { timeoutMs: 20_000 });
    expect(await bed.runtime.containerStatus(lasting, signal).then(() => 'answered', errorCode)).toBe('Unavailable');
    await testBed.engine.start();
    await waitFor('the engine to be ready', runtimeReady, { timeoutMs: 20_000 });
    await waitFor('a resync', () => heard.messages.at(-1)?.kind === 'resync' && heard.messages.length > 1, { timeoutMs: 20_000 });
    // Without live-restore a new dockerd ends what it finds.
    expect((await bed.runtime.containerStatus(lasting, signal)).state).toBe('exited');
    expect((await bed.runtime.podSandboxStatus(sandbox.id, signal)).state).toBe('notready');
    const again = await bed.sandbox();
    expect((await bed.runtime.podSandboxStatus(again.id, signal)).state).toBe('ready');
    heard.stop();
  });

  test('a service that starts without an engine waits for it', async () => {
    await testBed.engine.stop();
    const early = await another({ instanceId: 'early', rootDirectory: path.join(testBed.node.dir, 'early') });
    const { conditions } = await early.runtime.status({}, signal);
    expect(conditions[0]).toMatchObject({ type: 'RuntimeReady', status: false, reason: 'DockerDaemonNotReady' });
    expect(conditions[0]?.message).toContain(testBed.engine.socketPath);
    await testBed.engine.start();
    const version = await waitFor('the version', () => early.runtime.version(signal), { timeoutMs: 20_000 });
    expect(version.runtimeName).toBe('docker');
  });

  test('another cgroup driver than the engine’s is named in the runtime’s condition', async () => {
    const other = await another({ instanceId: 'other', cgroupDriver: 'systemd', rootDirectory: path.join(testBed.node.dir, 'other') });
    const { conditions } = await other.runtime.status({}, signal);
    expect(conditions[0]).toMatchObject({ status: false, reason: 'CgroupDriverMismatch' });
  });

  test('a corrupt checkpoint is set aside, and its sandbox goes on', async () => {
    const sandbox = await bed.sandbox();
    const directory = path.join(settingsOn(testBed).rootDirectory, 'sandbox');
    await writeFile(path.join(directory, sandbox.id), '{"format":1,"checksum":"0","data":"{}"}');
    await service.stop();
    service = await startDockershim(settingsOn(testBed));
    expect((await bed.runtime.podSandboxStatus(sandbox.id, signal)).state).toBe('ready');
    expect(await readdir(directory)).toContain(`${sandbox.id}.corrupt`);
    await bed.runtime.removePodSandbox(sandbox.id, signal);
    expect(await bed.runtime.listPodSandbox({ id: sandbox.id }, signal)).toEqual([]);
  });

  test('a sandbox whose container somebody has removed is told of until it is removed', async () => {
    const sandbox = await bed.sandbox();
    await testBed.engine.docker(['rm', '--force', sandbox.id]);
    const status = await waitFor(
      'the loss',
      async () => {
        const answer = await bed.runtime.podSandboxStatus(sandbox.id, signal);
        return answer.state === 'notready' ? answer : undefined;
      },
      { timeoutMs: 20_000 },
    );
    expect(status.metadata).toEqual(sandbox.config.metadata);
    expect((await bed.runtime.listPodSandbox({ id: sandbox.id }, signal)).map((one) => one.state)).toEqual(['notready']);
    await bed.runtime.stopPodSandbox(sandbox.id, signal);
    await bed.runtime.removePodSandbox(sandbox.id, signal);
    expect(await bed.runtime.listPodSandbox({ id: sandbox.id }, signal)).toEqual([]);
  });

  test('a sandbox whose start was interrupted gets its DNS when it is adopted', async () => {
    const dnsConfig = { servers: ['192.0.2.1'], searches: [], options: [] };
    const sandbox = await bed.sandbox({ dnsConfig });
    const file = (await testBed.engine.docker(['inspect', '--format', '{{.ResolvConfPath}}', sandbox.id])).trim();
    await writeFile(file, 'nameserver 198.51.100.1\n# what the engine wrote\n');
    await service.stop();
    service = await startDockershim(settingsOn(testBed));
    await bed.runtime.podSandboxStatus(sandbox.id, signal);
    await waitFor('the file to be right', async () => (await readFile(file, 'utf8')) === 'nameserver 192.0.2.1\n', { timeoutMs: 20_000 });
  });

  test('a container that ends behind the back of the service is told of', async () => {
    const heard = listen(service);
    const id = await bed.start(await bed.sandbox(), 'sleep 600');
    await testBed.engine.docker(['kill', id]);
    expect(await bed.reaches(id, 'exited')).toMatchObject({ exitCode: 137 });
    await testBed.engine.docker(['rm', id]);
    await waitFor('its removal', () => heard.messages.some((message) => message.kind === 'event' && message.event.type === 'deleted'), {
      timeoutMs: 20_000,
    });
    expect(await bed.runtime.containerStatus(id, signal).then(() => 'found', errorCode)).toBe('NotFound');
    heard.stop();
  });

  test('names of containers say the attempt', () => {
    const pod = { name: 'p', namespace: 'n', uid: 'u', attempt: 9 };
    expect(containerName(pod, { name: 'c', attempt: 4 })).toBe('k8s_c_p_n_u_4');
  });

  async function runtimeReady(): Promise<boolean> {
    const { conditions } = await service.runtime.status({}, signal);
    return conditions.every((condition) => condition.status);
  }
});

function listen(service: DockerService): { readonly messages: ContainerEventMessage[]; readonly stop: () => void } {
  const control = new AbortController();
  const messages: ContainerEventMessage[] = [];
  const follow = async (): Promise<void> => {
    for await (const message of service.runtime.containerEvents(control.signal)) messages.push(message);
  };
  follow().catch(() => undefined); // ends by the abort
  return { messages, stop: () => control.abort() };
}

/** What a TCP server says before it closes; undefined when it cannot be reached. */
function ask(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = createConnection({ host, port, timeout: 2_000 });
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => resolve(undefined));
    socket.on('close', () => resolve(text === '' ? undefined : text));
  });
}
