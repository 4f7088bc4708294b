import { expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-clock.ts';
import { objectPort } from './objects.ts';

const nothing = { get: () => Promise.resolve(undefined) };

function portOf(synced: Promise<void>): { readonly clock: FakeClock; readonly port: ReturnType<typeof objectPort> } {
  const clock = new FakeClock();
  const services = { hasSynced: () => false, synced: () => synced, list: () => [] };
  return { clock, port: objectPort({ configMaps: nothing, secrets: nothing, services, online: true }, clock) };
}

test('a pod waits for the first list of services, with a deadline', async () => {
  const { clock, port } = portOf(new Promise(() => undefined));
  const answer = expect(port.services('ns', new AbortController().signal)).rejects.toThrow('first list of services');
  await clock.advance(10_000);
  await answer;
});

test('a static pod does not wait: it is to run before there is an API server', async () => {
  const { port } = portOf(new Promise(() => undefined));
  expect(await port.services('ns', new AbortController().signal, false)).toEqual([]);
});
