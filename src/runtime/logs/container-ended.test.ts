import { expect, test } from 'vitest';
import { FakeClock, settle } from '../../lib/fake-clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { PodCache } from '../../pods/types.ts';
import { MemoryRuntime } from '../memory/memory-runtime.ts';
import { createPleg } from '../pleg.ts';
import { makeContainerConfig, makeSandboxConfig } from '../testing/fixtures.ts';
import { containerEnded } from './container-ended.ts';

async function runningContainer() {
  const signal = new AbortController().signal;
  const runtime = new MemoryRuntime({ clock: new FakeClock() });
  const cache = createPleg({ runtime, clock: new FakeClock(), logger: silentLogger });
  const sandbox = await runtime.runPodSandbox(makeSandboxConfig(), '', signal);
  const id = await runtime.createContainer(sandbox, makeContainerConfig(), makeSandboxConfig(), signal);
  await runtime.startContainer(id, signal);
  await cache.refresh('uid-1', signal);
  return { runtime, cache, id, signal };
}

test('the end of a container is told by the cache', async () => {
  const { runtime, cache, id, signal } = await runningContainer();
  await containerEnded(cache, 'uid-1', 'nobody', signal);
  let ended = false;
  const waiting = containerEnded(cache, 'uid-1', id, signal).then(() => (ended = true));
  await settle();
  expect(ended).toBe(false);
  runtime.exit(id, 0);
  await cache.refresh('uid-1', signal);
  await waiting;
});

test('who gives up waiting for the end is let go and listens no more', async () => {
  const { cache, id } = await runningContainer();
  let listeners = 0;
  const counting: Pick<PodCache, 'get' | 'onChange'> = {
    get: (uid) => cache.get(uid),
    onChange: (listener) => {
      const end = cache.onChange(listener);
      listeners += 1;
      return () => {
        listeners -= 1;
        end();
      };
    },
  };
  const client = new AbortController();
  const waiting = containerEnded(counting, 'uid-1', id, client.signal);
  expect(listeners).toBe(1);
  client.abort();
  await waiting;
  expect(listeners).toBe(0);
});
