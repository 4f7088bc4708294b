import { expect, test } from 'vitest';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { errorCode } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import { ContainerView } from './container-view.ts';
import { UNLIMITED_HOST } from './engine-host.ts';
import { EngineLink } from './engine-link.ts';
import type { PullProgress } from './engine.ts';
import { FakeEngine } from './fake-engine.ts';
import { ImageCache } from './image-cache.ts';
import { DockerImageService } from './image-service.ts';
import { OWN_SANDBOX_IMAGE, SandboxImage } from './sandbox-image.ts';

const { signal } = new AbortController();
const image = { id: `sha256:${'1'.repeat(64)}`, repoTags: ['a:1', 'b:1'], repoDigests: [], size: 5, user: '' };

async function setUp(): Promise<{ engine: FakeEngine; clock: FakeClock; images: DockerImageService; stop: () => Promise<void> }> {
  const engine = new FakeEngine();
  const clock = new FakeClock();
  const view = new ContainerView({ engine, instanceId: 'me', clock, logger: silentLogger, onChange: () => undefined });
  const link = new EngineLink({
    engine,
    view,
    instanceId: 'me',
    clock,
    logger: silentLogger,
    probeHost: () => Promise.resolve(UNLIMITED_HOST),
    onChange: () => undefined,
  });
  link.start();
  await link.connected(signal);
  const cache = new ImageCache(engine);
  const images = new DockerImageService({ engine, link, cache, clock, pinned: ['pause:1'], pullProgressDeadlineMs: 60_000 });
  return { engine, clock, images, stop: () => link.stop() };
}

/** Messages that come when they are told to. */
function messages(): {
  readonly say: (message: PullProgress) => void;
  readonly end: () => void;
  readonly stream: AsyncIterable<PullProgress>;
} {
  const queue: (PullProgress | undefined)[] = [];
  let wake: (() => void) | undefined;
  const push = (message: PullProgress | undefined): void => {
    queue.push(message);
    wake?.();
  };
  const stream = (async function* () {
    for (;;) {
      if (queue.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      const next = queue.shift();
      if (next === undefined) return;
      yield next;
    }
  })();
  return { say: push, end: () => push(undefined), stream };
}

test('a pull goes on as long as bytes move, however long it takes', async () => {
  const { engine, clock, images, stop } = await setUp();
  engine.images.set('a:1', image);
  const pull = messages();
  engine.pullMessages = pull.stream;
  const pulled = images.pullImage({ image: 'a:1' }, undefined, undefined, signal);
  for (let current = 0; current < 10; current += 1) {
    pull.say({ id: 'layer', status: 'Downloading', current });
    await clock.advance(50_000);
  }
  pull.end();
  expect(await pulled).toBe(image.id);
  await stop();
});

test('a pull that only repeats itself is cancelled with that reason', async () => {
  const { engine, clock, images, stop } = await setUp();
  const pull = messages();
  engine.pullMessages = pull.stream;
  const pulled = images.pullImage({ image: 'a:1' }, undefined, undefined, signal).catch((error: unknown) => error);
  for (let time = 0; time < 4; time += 1) {
    pull.say({ id: 'layer', status: 'Waiting', current: undefined });
    await clock.advance(20_000);
  }
  const failure = await pulled;
  expect(errorCode(failure)).toBe('DeadlineExceeded');
  expect(String(failure)).toContain('without moving a byte did not finish within 60 s');
  await stop();
});

test('removing an image removes every name of it', async () => {
  const { engine, images, stop } = await setUp();
  engine.images.set('b:1', image);
  await images.removeImage({ image: 'b:1' }, signal);
  expect(engine.calls.filter((call) => call.startsWith('removeImage'))).toEqual([
    'removeImage a:1',
    'removeImage b:1',
    `removeImage ${image.id}`,
  ]);
  await stop();
});

test('the sandbox image is pinned', async () => {
  const { engine, images, stop } = await setUp();
  engine.images.set('pause:1', { ...image, repoTags: ['pause:1'] });
  engine.images.set('a:1', image);
  expect((await images.imageStatus({ image: 'pause:1' }, signal))?.pinned).toBe(true);
  expect((await images.imageStatus({ image: 'a:1' }, signal))?.pinned).toBe(false);
  await stop();
});

test('without its image and a registry the sandbox gets the agent’s own, once for all', async () => {
  const { engine, images, stop } = await setUp();
  engine.failures.set('pull', new Error('no route to the registry'));
  const sandboxImage = new SandboxImage({ engine, images, image: 'pause:1', auth: undefined, logger: silentLogger });
  const create = async (reference: string): Promise<string> => {
    await settle();
    if (reference === OWN_SANDBOX_IMAGE && engine.calls.includes(`import ${OWN_SANDBOX_IMAGE}`)) return reference;
    return (await engine.inspectImage(reference)).id;
  };
  const both = await Promise.all([sandboxImage.whenPresent(create, signal), sandboxImage.whenPresent(create, signal)]);
  expect(both).toEqual([OWN_SANDBOX_IMAGE, OWN_SANDBOX_IMAGE]);
  expect(await sandboxImage.whenPresent(create, signal)).toBe(OWN_SANDBOX_IMAGE);
  expect(engine.calls.filter((call) => call.startsWith('pull') || call.startsWith('import'))).toEqual([
    'pull pause:1',
    `import ${OWN_SANDBOX_IMAGE}`,
  ]);
  await stop();
});
