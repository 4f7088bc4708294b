import { createServer, request, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DockerService } from '../../../src/dockershim/types.ts';
import { DeadlineExceededError, errorCode } from '../../../src/lib/errors.ts';
import type { ContainerConfig, PodSandboxConfig } from '../../../src/runtime/types.ts';
import type { TestBed } from '../../cluster/test-bed.ts';
import { waitFor } from '../../cluster/wait.ts';
import { podNamespaces } from './bed.ts';
import { settingsOn, startDockerBed, startDockershim } from './docker-bed.ts';

const LIMIT_MS = 1_500;
const { signal } = new AbortController();

let testBed: TestBed;
let directory: string;
let proxy: Server;
let service: DockerService;
/** Requests whose method and path match this are swallowed, as by an engine of which a part has wedged. */
let swallowed: RegExp | undefined;
/** Requests that match this are carried out, but their answer is lost. */
let muted: RegExp | undefined;

beforeAll(async () => {
  testBed = await startDockerBed();
  directory = await mkdtemp(path.join(tmpdir(), 'wedged-'));
  const socketPath = path.join(directory, 'docker.sock');
  proxy = createServer((incoming, answer) => {
    if (swallowed?.test(`${incoming.method ?? ''} ${incoming.url ?? ''}`) === true) return;
    const { method, url, headers } = incoming;
    const isMuted = muted?.test(`${method ?? ''} ${url ?? ''}`) === true;
    const onward = request({ socketPath: testBed.engine.socketPath, method, path: url, headers }, (reply) => {
      if (isMuted) return;
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      answer.flushHeaders();
      reply.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    if (!isMuted) answer.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(socketPath, resolve));
  service = await startDockershim(settingsOn(testBed, { dockerEndpoint: `unix://${socketPath}`, requestTimeoutMs: LIMIT_MS }));
});
afterAll(async () => {
  await service.stop();
  proxy.closeAllConnections();
  proxy.close();
  await testBed.stop();
  await rm(directory, { recursive: true });
});

function config(name: string): PodSandboxConfig {
  return {
    metadata: { name, uid: name, namespace: 'wedged', attempt: 0 },
    hostname: '',
    logDirectory: path.join(directory, 'logs'),
    portMappings: [],
    labels: {},
    annotations: {},
    linux: { cgroupParent: '', sysctls: {}, securityContext: { namespaceOptions: podNamespaces } },
  };
}

const containerConfig: ContainerConfig = {
  metadata: { name: 'main', attempt: 0 },
  image: { image: 'busybox:latest' },
  command: ['sleep', '600'],
  args: [],
  workingDir: '',
  envs: [],
  mounts: [],
  devices: [],
  labels: {},
  annotations: {},
  logPath: 'main.log',
  stdin: false,
  stdinOnce: false,
  tty: false,
  linux: { securityContext: { namespaceOptions: podNamespaces } },
};

test('a start that hangs while lists answer is DeadlineExceeded and names its stage; the rest goes on', async () => {
  swallowed = /POST .*\/start/;
  const prepared = await service.runtime.prepareSandbox?.(config('hanging'), '', signal);
  if (prepared === undefined) throw new Error('no prepareSandbox');
  const began = Date.now();
  const failure: unknown = await prepared.start(signal).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(DeadlineExceededError);
  expect(failure).toMatchObject({ stage: `start container ${prepared.id}`, limitMs: LIMIT_MS });
  expect(Date.now() - began).toBeLessThan(LIMIT_MS + 2_000);
  expect((await service.runtime.listPodSandbox({ id: prepared.id }, signal)).map((one) => one.state)).toEqual(['notready']);

  swallowed = undefined;
  const healthy = await service.runtime.runPodSandbox(config('healthy'), '', signal);
  for (const id of [healthy, prepared.id]) await service.runtime.removePodSandbox(id, signal);
});

test('a stop that hangs is DeadlineExceeded after the grace period and the limit', async () => {
  const id = await service.runtime.runPodSandbox(config('stopping'), '', signal);
  swallowed = /POST .*\/kill/;
  expect(await service.runtime.stopPodSandbox(id, signal).then(() => 'stopped', errorCode)).toBe('DeadlineExceeded');
  swallowed = undefined;
  await service.runtime.stopPodSandbox(id, signal);
  await service.runtime.removePodSandbox(id, signal);
});

test('a sandbox that comes up although its start was given up is not ready, and is ended', async () => {
  muted = /POST .*\/start/;
  const prepared = await service.runtime.prepareSandbox?.(config('late'), '', signal);
  if (prepared === undefined) throw new Error('no prepareSandbox');
  expect(await prepared.start(signal).then(() => 'started', errorCode)).toBe('DeadlineExceeded');
  muted = undefined;
  expect((await service.runtime.podSandboxStatus(prepared.id, signal)).state).toBe('notready');
  const running = (): Promise<string> => testBed.engine.docker(['inspect', '--format', '{{.State.Running}}', prepared.id]);
  await waitFor('its end', async () => (await running()) === 'false\n', { timeoutMs: 20_000 });
  await service.runtime.removePodSandbox(prepared.id, signal);
});

test('a container whose start succeeded although its answer was lost is running for the next question', async () => {
  const sandboxConfig = config('answer');
  const sandbox = await service.runtime.runPodSandbox(sandboxConfig, '', signal);
  const id = await service.runtime.createContainer(sandbox, containerConfig, sandboxConfig, signal);
  muted = /POST .*\/start/;
  expect(await service.runtime.startContainer(id, signal).then(() => 'started', errorCode)).toBe('DeadlineExceeded');
  muted = undefined;
  expect((await service.runtime.containerStatus(id, signal)).state).toBe('running');
  await service.runtime.removePodSandbox(sandbox, signal);
});

test('an engine that accepts connections and never answers is Unavailable or DeadlineExceeded, and the status says so', async () => {
  swallowed = /./;
  proxy.closeAllConnections();
  await waitFor('the loss', async () => !(await ready()), { timeoutMs: 30_000 });
  expect(['Unavailable', 'DeadlineExceeded']).toContain(await service.runtime.version(signal).then(() => 'answered', errorCode));
  swallowed = undefined;
  proxy.closeAllConnections();
  await waitFor('the engine', ready, { timeoutMs: 30_000 });
});

async function ready(): Promise<boolean> {
  return (await service.runtime.status({}, signal)).conditions.every((condition) => condition.status);
}
