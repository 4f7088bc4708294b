import { expect, test } from 'vitest';
import { settle } from '../lib/fake-clock.ts';
import type { ContainerEventMessage } from '../runtime/types.ts';
import type { ViewChange } from './container-view.ts';
import { EventFeed } from './event-feed.ts';
import { FakeEngine } from './fake-engine.ts';

function change(id: string): ViewChange {
  const engine = new FakeEngine();
  engine.put(id);
  const inspection = engine.containers.get(id);
  if (inspection === undefined) throw new Error('no container');
  const record = { kind: 'container', sandboxId: 's', metadata: { name: 'c', attempt: 0 }, labels: {}, annotations: {} } as const;
  return { type: 'started', entry: { inspection, record: { ...record, userSpecifiedImage: '', logPath: '' } } };
}

function feed(): EventFeed {
  return new EventFeed({
    describe: ({ type, entry }) => Promise.resolve({ containerId: entry.inspection.id, type, createdAt: 0n, containersStatuses: [] }),
  });
}

function listen(events: EventFeed): { readonly heard: string[]; readonly stop: () => void; readonly ended: Promise<unknown> } {
  const control = new AbortController();
  const heard: string[] = [];
  const tell = (message: ContainerEventMessage): string => (message.kind === 'event' ? message.event.containerId : message.kind);
  const follow = async (): Promise<void> => {
    for await (const message of events.listen(control.signal)) heard.push(tell(message));
  };
  return { heard, stop: () => control.abort(new Error('stopped')), ended: follow().catch((error: unknown) => error) };
}

test('the first message is resync, as soon as there is a connection', async () => {
  const events = feed();
  const early = listen(events);
  await settle();
  expect(early.heard).toEqual([]);
  events.resynced();
  const late = listen(events);
  await settle();
  expect([early.heard, late.heard]).toEqual([['resync'], ['resync']]);
});

test('changes come in order, to every listener', async () => {
  const events = feed();
  events.resynced();
  const [one, two] = [listen(events), listen(events)];
  for (const id of ['a', 'b', 'c']) events.publish(change(id));
  await settle();
  for (const listener of [one, two]) expect(listener.heard).toEqual(['resync', 'a', 'b', 'c']);
});

test('what happens without a connection is not told, for a resync follows', async () => {
  const events = feed();
  events.resynced();
  const listener = listen(events);
  await settle();
  events.publish(change('before'));
  await settle();
  events.disconnected();
  events.publish(change('unseen'));
  await settle();
  events.resynced();
  events.publish(change('after'));
  await settle();
  expect(listener.heard).toEqual(['resync', 'before', 'resync', 'after']);
});

test('a listener that is too far behind is told to list everything instead', async () => {
  const events = feed();
  events.resynced();
  const control = new AbortController();
  const slow = events.listen(control.signal)[Symbol.asyncIterator]();
  expect((await slow.next()).value).toEqual({ kind: 'resync' });
  const brisk = listen(events);
  for (let count = 0; count < 4_096; count += 1) events.publish(change('x'));
  await settle();
  await settle();
  events.publish(change('one too many'));
  expect((await slow.next()).value).toEqual({ kind: 'resync' });
  await settle();
  expect(brisk.heard.at(-1)).toBe('one too many');
});

test('ends by its signal, with its reason', async () => {
  const events = feed();
  const listener = listen(events);
  await settle();
  listener.stop();
  expect(await listener.ended).toMatchObject({ message: 'stopped' });
  events.resynced();
  await settle();
  expect(listener.heard).toEqual([]);
});
