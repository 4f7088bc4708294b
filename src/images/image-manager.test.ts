import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Pod, Secret } from '../api/types.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import type { AuthConfig, Image, ImageService, PodSandboxConfig } from '../runtime/types.ts';
import { createImageManager, type ImageManager, type ImagePullSettings } from './image-manager.ts';
import { ImagePullError } from './pull-error.ts';

const never = new AbortController().signal;
let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'image-manager-'));
});
afterEach(() => rm(directory, { recursive: true }));

const sandboxConfig: PodSandboxConfig = {
  metadata: { name: 'p', namespace: 'shop', uid: 'u', attempt: 0 },
  hostname: '',
  logDirectory: '',
  portMappings: [],
  labels: {},
  annotations: {},
  linux: { cgroupParent: '', securityContext: { namespaceOptions: { network: 'pod', pid: 'container', ipc: 'pod' } }, sysctls: {} },
};

/** A registry and an engine: what is there, and how each pull goes. */
class Engine implements Pick<ImageService, 'imageStatus' | 'pullImage'> {
  readonly present = new Map<string, Image>();
  readonly pulls: {
    readonly image: string;
    readonly auth: AuthConfig | undefined;
    readonly done: PromiseWithResolvers<void>;
    aborted: boolean;
  }[] = [];
  /** Pulls end by themselves unless told to wait. */
  waits = false;
  error: ((auth: AuthConfig | undefined) => Error | undefined) | undefined;

  add(reference: string): Image {
    const image: Image = {
      id: `sha256:${reference}`,
      repoTags: [reference],
      repoDigests: [],
      size: 42,
      pinned: false,
      spec: { image: '' },
      uid: 7,
    };
    this.present.set(reference, image);
    this.present.set(image.id, image);
    return image;
  }

  async imageStatus({ image }: { readonly image: string }): Promise<Image | undefined> {
    return this.present.get(image);
  }

  async pullImage(
    { image }: { readonly image: string },
    auth: AuthConfig | undefined,
    _config: unknown,
    signal: AbortSignal,
  ): Promise<string> {
    const pull = { image, auth, done: Promise.withResolvers<void>(), aborted: false };
    this.pulls.push(pull);
    signal.addEventListener('abort', () => {
      pull.aborted = true;
      pull.done.reject(signal.reason);
    });
    if (!this.waits) pull.done.resolve();
    await pull.done.promise;
    const error = this.error?.(auth);
    if (error) throw error;
    return this.add(image).id;
  }
}

async function setUp(options: { settings?: Partial<ImagePullSettings>; secrets?: Record<string, Secret>; nodeAuth?: AuthConfig[] } = {}) {
  const engine = new Engine();
  const clock = new FakeClock();
  const events: string[] = [];
  const unused = async (): Promise<never> => {
    throw new Error('not used');
  };
  const manager = await createImageManager({
    images: {
      imageStatus: engine.imageStatus.bind(engine),
      pullImage: engine.pullImage.bind(engine),
      listImages: unused,
      removeImage: unused,
      imageFsInfo: unused,
    },
    events: { event: (about, type, reason, message) => events.push(`${about.fieldPath ?? about.kind} ${type} ${reason}: ${message}`) },
    secrets: { secret: async (_namespace, name) => options.secrets?.[name] },
    nodeCredentials: { lookup: async () => options.nodeAuth ?? [] },
    settings: { maxParallelPulls: 5, registryPullQps: 0, registryBurst: 0, ...options.settings },
    clock,
    logger: silentLogger,
    recordDirectory: directory,
  });
  return { engine, clock, events, manager };
}

function pod(image: string, extra: { uid?: string; pullPolicy?: string; secrets?: string[] } = {}): Pod {
  const { uid = 'u-1', pullPolicy, secrets = [] } = extra;
  return {
    metadata: { name: 'p', namespace: 'shop', uid },
    spec: {
      containers: [{ name: 'main', image, ...(pullPolicy === undefined ? {} : { imagePullPolicy: pullPolicy }) }],
      imagePullSecrets: secrets.map((name) => ({ name })),
    },
  };
}

function ensure(manager: ImageManager, thePod: Pod, signal = never) {
  const [container] = thePod.spec.containers;
  if (container === undefined) throw new Error('the pod has no container');
  return manager.ensureImage({ pod: thePod, container, sandboxConfig }, signal);
}

async function failure(promise: Promise<unknown>): Promise<ImagePullError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ImagePullError)) throw new Error('expected an ImagePullError', { cause: error });
  return error;
}

const secret = (registry: string, username: string, uid = `${username}-uid`): Secret => ({
  type: 'kubernetes.io/dockerconfigjson',
  metadata: { uid },
  data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths: { [registry]: { username, password: 'p' } } })).toString('base64') },
});

test('an image that is there is not pulled, and its user is told', async () => {
  const { engine, events, manager } = await setUp();
  engine.add('nginx:1');
  expect(await ensure(manager, pod('nginx:1'))).toEqual({ imageId: 'sha256:nginx:1', uid: 7 });
  expect(engine.pulls).toEqual([]);
  expect(events).toEqual([
    'spec.containers{main} Normal Pulled: Container image "nginx:1" already present on machine and can be accessed by the pod',
  ]);
});

test('an absent image is pulled, with time and size in the event', async () => {
  const { engine, clock, events, manager } = await setUp();
  engine.waits = true;
  const ensured = ensure(manager, pod('nginx:1'));
  await clock.advance(1_500);
  engine.pulls[0]?.done.resolve();
  await ensured;
  expect(events).toEqual([
    'spec.containers{main} Normal Pulling: Pulling image "nginx:1"',
    'spec.containers{main} Normal Pulled: Successfully pulled image "nginx:1" in 1.5s (1.5s including waiting). Image size: 42 bytes.',
  ]);
});

test('no tag means latest, and latest means always', async () => {
  const { engine, manager } = await setUp();
  engine.add('nginx:latest');
  await ensure(manager, pod('nginx'));
  expect(engine.pulls.map(({ image }) => image)).toEqual(['nginx:latest']);
});

test('a policy of Never does not pull', async () => {
  const { engine, events, manager } = await setUp();
  const error = await failure(ensure(manager, pod('nginx:1', { pullPolicy: 'Never' })));
  expect(error).toMatchObject({
    reason: 'ErrImageNeverPull',
    message: 'Container image "nginx:1" is not present with pull policy of Never',
    eventRecorded: true,
  });
  expect(events).toHaveLength(1);
  expect(engine.pulls).toEqual([]);
});

test('a name that is no image name', async () => {
  const { events, manager } = await setUp();
  const error = await failure(ensure(manager, pod('Bad Name')));
  expect(error.reason).toBe('InvalidImageName');
  expect(events[0]).toMatch(
    /Warning InspectFailed: Failed to apply default image tag "Bad Name": couldn't parse image name "Bad Name": invalid reference format/,
  );
});

test('a failed pull waits 10 s, then twice as long each time up to 5 min, and says what the last failure was', async () => {
  const { engine, clock, events, manager } = await setUp();
  engine.error = () => new Error('no such host');
  const waits: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    expect(await failure(ensure(manager, pod('nginx:1')))).toMatchObject({ reason: 'ErrImagePull', message: 'no such host' });
    const waiting = await failure(ensure(manager, pod('nginx:1')));
    expect(waiting).toMatchObject({ reason: 'ImagePullBackOff', message: 'Back-off pulling image "nginx:1": ErrImagePull: no such host' });
    waits.push((waiting.retryAt ?? 0) - clock.now());
    await clock.advance((waiting.retryAt ?? 0) - clock.now());
  }
  expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  expect(events.slice(0, 3)).toEqual([
    'spec.containers{main} Normal Pulling: Pulling image "nginx:1"',
    'spec.containers{main} Warning Failed: Failed to pull image "nginx:1": no such host',
    'spec.containers{main} Normal BackOff: Back-off pulling image "nginx:1"',
  ]);
});

test('the back-off is of one pod and image, and starts anew after ten minutes without a failure', async () => {
  const { engine, clock, manager } = await setUp();
  engine.error = () => new Error('no');
  await failure(ensure(manager, pod('nginx:1')));
  expect((await failure(ensure(manager, pod('nginx:1', { uid: 'other' })))).reason).toBe('ErrImagePull');
  expect((await failure(ensure(manager, pod('nginx:2')))).reason).toBe('ErrImagePull');
  await clock.advance(11_000);
  await failure(ensure(manager, pod('nginx:1')));
  await clock.advance(601_000);
  await failure(ensure(manager, pod('nginx:1')));
  const waiting = await failure(ensure(manager, pod('nginx:1')));
  expect((waiting.retryAt ?? 0) - clock.now()).toBe(10_000);
});

test.each([
  ['RegistryUnavailable: 503', 'RegistryUnavailable', 'image pull failed for nginx:1 because the registry is unavailable: 503'],
  [
    'SignatureValidationFailed: bad',
    'SignatureValidationFailed',
    'image pull failed for nginx:1 because the signature validation failed: bad',
  ],
])('%s has a reason of its own', async (text, reason, message) => {
  const { engine, manager } = await setUp();
  engine.error = () => new Error(text);
  expect(await failure(ensure(manager, pod('nginx:1')))).toMatchObject({ reason, message });
});

test('pods that wait for the same image share one pull', async () => {
  const { engine, manager } = await setUp();
  engine.waits = true;
  const all = ['a', 'b', 'c'].map((uid) => ensure(manager, pod('nginx:1', { uid })));
  await settle();
  expect(engine.pulls).toHaveLength(1);
  engine.pulls[0]?.done.resolve();
  await Promise.all(all);
});

test('different credentials make different pulls', async () => {
  const secrets = { one: secret('example.com', 'one'), two: secret('example.com', 'two') };
  const { engine, manager } = await setUp({ secrets });
  engine.waits = true;
  const all = ['one', 'two'].map((name) => ensure(manager, pod('example.com/app:1', { uid: name, secrets: [name] })));
  await settle();
  expect(engine.pulls.map(({ auth }) => auth?.username)).toEqual(['one', 'two']);
  for (const { done } of engine.pulls) done.resolve();
  await Promise.all(all);
});

test('a pod that goes away lets the others wait on; when the last goes the pull ends', async () => {
  const { engine, manager } = await setUp();
  engine.waits = true;
  const [first, second] = [new AbortController(), new AbortController()];
  const one = ensure(manager, pod('nginx:1', { uid: 'a' }), first.signal);
  const two = ensure(manager, pod('nginx:1', { uid: 'b' }), second.signal);
  await settle();
  first.abort();
  await expect(one).rejects.toThrow('aborted');
  expect(engine.pulls[0]?.aborted).toBe(false);
  second.abort();
  await expect(two).rejects.toThrow('aborted');
  expect(engine.pulls[0]?.aborted).toBe(true);
  engine.waits = false;
  await ensure(manager, pod('nginx:1'));
  expect(engine.pulls).toHaveLength(2);
});

test('no more pulls at a time than allowed', async () => {
  const { engine, manager } = await setUp({ settings: { maxParallelPulls: 2 } });
  engine.waits = true;
  const all = ['a:1', 'b:1', 'c:1'].map((image) => ensure(manager, pod(image)));
  await settle();
  expect(engine.pulls).toHaveLength(2);
  engine.pulls[0]?.done.resolve();
  await settle();
  expect(engine.pulls).toHaveLength(3);
  for (const { done } of engine.pulls) done.resolve();
  await Promise.all(all);
});

test('a pull beyond the rate waits for its turn', async () => {
  const { engine, clock, manager } = await setUp({ settings: { registryPullQps: 1, registryBurst: 1 } });
  const all = [ensure(manager, pod('a:1')), ensure(manager, pod('b:1'))];
  await settle();
  expect(engine.pulls).toHaveLength(1);
  await clock.advance(1_000);
  await Promise.all(all);
  expect(engine.pulls).toHaveLength(2);
});

test("every credential is tried before a pull fails; the machine's come last", async () => {
  const { engine, manager } = await setUp({ secrets: { s: secret('example.com', 'pod') }, nodeAuth: [{ username: 'node' }] });
  engine.error = (auth) => (auth?.username === 'node' ? undefined : new Error('unauthorized'));
  await ensure(manager, pod('example.com/app:1', { secrets: ['s'] }));
  expect(engine.pulls.map(({ auth }) => auth?.username)).toEqual(['pod', 'node']);
});

test('a missing pull secret is told only when the pull fails', async () => {
  const { engine, events, manager } = await setUp();
  await ensure(manager, pod('nginx:1', { secrets: ['gone'] }));
  expect(events.filter((event) => event.includes('FailedToRetrieve'))).toEqual([]);
  engine.error = () => new Error('unauthorized');
  await failure(ensure(manager, pod('nginx:2', { secrets: ['gone'] })));
  expect(events.at(-1)).toBe(
    'Pod Warning FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (gone); attempting to pull the image may not succeed.',
  );
});

test("an image that another pod's secret has opened is not given to a pod without it, also after a restart", async () => {
  const secrets = { s: secret('example.com', 'robot'), rotated: secret('example.com', 'other', 'robot-uid') };
  const { engine, manager } = await setUp({ secrets });
  await ensure(manager, pod('example.com/app:1', { secrets: ['s'] }));
  const again = await setUp({ secrets });
  again.engine.add('example.com/app:1');
  again.engine.error = () => new Error('unauthorized');
  await ensure(again.manager, pod('example.com/app:1', { secrets: ['s'] }));
  expect(again.engine.pulls).toEqual([]);
  expect((await failure(ensure(again.manager, pod('example.com/app:1')))).reason).toBe('ErrImagePull');
  const never = await failure(ensure(again.manager, pod('example.com/app:1', { uid: 'n', pullPolicy: 'Never' })));
  expect(never.reason).toBe('ErrImageNeverPull');
  expect(engine.pulls).toHaveLength(1);
});

test('only what this agent has brought to the machine is recorded as its own', async () => {
  const { engine, manager } = await setUp();
  engine.add('owners:latest');
  await ensure(manager, pod('owners'));
  await ensure(manager, pod('ours:1'));
  expect(manager.pulled.list().map(({ imageId }) => imageId)).toEqual(['sha256:ours:1']);
  const again = await setUp();
  expect(again.manager.pulled.list().map(({ imageId }) => imageId)).toEqual(['sha256:ours:1']);
  await again.manager.pulled.forget('sha256:ours:1');
  expect((await setUp()).manager.pulled.list()).toEqual([]);
});

test('the image of a volume has its events on the pod', async () => {
  const { events, manager } = await setUp();
  await manager.ensureVolumeImage({ pod: pod('x'), reference: 'data:1' }, never);
  expect(events[0]).toBe('Pod Normal Pulling: Pulling image "data:1"');
});
