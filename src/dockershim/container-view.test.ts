import { expect, test } from 'vitest';
import { NotFoundError, UnavailableError } from '../lib/errors.ts';
import { FakeClock, settle } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import { ContainerView, type ViewChange } from './container-view.ts';
import { FakeEngine } from './fake-engine.ts';
import { encodeRecord, type ContainerRecord, type SandboxRecord } from './records.ts';

const { signal } = new AbortController();
const ALL = (): boolean => true;

const sandbox: SandboxRecord = {
  kind: 'sandbox',
  metadata: { name: 'p', uid: 'u', namespace: 'n', attempt: 0 },
  labels: {},
  annotations: {},
  runtimeHandler: '',
  namespaceOptions: { network: 'pod', pid: 'container', ipc: 'pod' },
  portMappings: [],
};
const container: ContainerRecord = {
  kind: 'container',
  sandboxId: 's',
  metadata: { name: 'c', attempt: 0 },
  labels: {},
  annotations: {},
  userSpecifiedImage: 'image',
  logPath: '',
};
const ours = { labels: encodeRecord('me', container) };

function setUp(): { engine: FakeEngine; view: ContainerView; changes: string[]; clock: FakeClock } {
  const engine = new FakeEngine();
  const clock = new FakeClock();
  const changes: string[] = [];
  const onChange = ({ type, entry }: ViewChange): void => void changes.push(`${entry.inspection.id} ${type} ${entry.inspection.status}`);
  const view = new ContainerView({ engine, instanceId: 'me', clock, logger: silentLogger, onChange });
  return { engine, view, changes, clock };
}

const event = (containerId: string, action: string): { containerId: string; action: string; timeNano: bigint } => ({
  containerId,
  action,
  timeNano: 1n,
});

test('after a resync it holds what the engine lists, with our label only', async () => {
  const { engine, view, changes } = setUp();
  engine.put('a', { ...ours, status: 'running', startedAt: 2n });
  engine.put('foreign', { labels: { 'io.kubernetes.pod.name': 'x' } });
  engine.put('neighbour', { labels: encodeRecord('somebody else', container) });
  await view.resync(signal);
  expect((await view.list(ALL, signal)).map((entry) => entry.inspection.id)).toEqual(['a']);
  expect(changes).toEqual(['a created running', 'a started running']);
  expect(engine.calls[0]).toBe('list shorelet.io/instance=me');
});

test('an event leads to one inspection, and is told after the view has it', async () => {
  const { engine, view, changes } = setUp();
  engine.put('a', ours);
  await view.resync(signal);
  engine.become('a', 'running');
  view.apply(event('a', 'start'));
  await settle();
  expect(changes).toEqual(['a created created', 'a started running']);
  expect(engine.calls.filter((call) => call === 'inspect a')).toHaveLength(2);
});

test('steps that were passed over are told in order', async () => {
  const { engine, view, changes } = setUp();
  engine.put('a', { ...ours, status: 'exited', startedAt: 2n, finishedAt: 3n });
  view.apply(event('a', 'create'));
  await settle();
  expect(changes).toEqual(['a created exited', 'a started exited', 'a stopped exited']);
});

test('a start that failed is told as the end', async () => {
  const { engine, view, changes } = setUp();
  engine.put('a', ours);
  await view.resync(signal);
  engine.put('a', { exitCode: 127, error: 'no such program' });
  await view.refresh('a');
  expect(changes).toEqual(['a created created', 'a stopped created']);
});

test('events during an inspection lead to exactly one more', async () => {
  const { engine, view } = setUp();
  engine.put('a', ours);
  const hold = Promise.withResolvers<void>();
  engine.holds.set('inspect', hold.promise);
  for (const action of ['create', 'start', 'die', 'start']) view.apply(event('a', action));
  await settle();
  expect(engine.calls).toEqual(['inspect a']);
  engine.holds.clear();
  hold.resolve();
  await settle();
  expect(engine.calls).toEqual(['inspect a', 'inspect a']);
});

test('a question after an own action is answered with its effect, though its event has not come yet', async () => {
  const { engine, view } = setUp();
  engine.put('a', ours);
  await view.resync(signal);
  await view.act('a', 'start', async () => engine.become('a', 'running'));
  expect((await view.get('a', signal))?.inspection.status).toBe('running');
  await view.act('a', 'die', async () => engine.become('a', 'exited'));
  expect((await view.list(ALL, signal)).map((entry) => entry.inspection.status)).toEqual(['exited']);
});

test('an own action whose event has come needs no further inspection', async () => {
  const { engine, view } = setUp();
  engine.put('a', ours);
  await view.resync(signal);
  await view.act('a', 'start', async () => {
    engine.become('a', 'running');
    view.apply(event('a', 'start'));
  });
  await view.get('a', signal);
  await view.get('a', signal);
  expect(engine.calls.filter((call) => call === 'inspect a')).toHaveLength(2);
});

test('at rest questions ask the engine nothing', async () => {
  const { engine, view } = setUp();
  engine.put('a', ours);
  await view.resync(signal);
  const before = engine.calls.length;
  for (let time = 0; time < 5; time += 1) {
    await view.get('a', signal);
    await view.list(ALL, signal);
  }
  expect(engine.calls).toHaveLength(before);
});

test('a new container is known at once, and found when asked for', async () => {
  const { engine, view } = setUp();
  engine.put('new', ours);
  view.noteCreated('new', container);
  expect(view.recordOf('new')).toEqual(container);
  expect((await view.list((record) => record.kind === 'container', signal)).map((entry) => entry.inspection.id)).toEqual(['new']);
});

test('a removed container does not come back by a late answer', async () => {
  const { engine, view, changes } = setUp();
  engine.put('a', ours);
  await view.resync(signal);
  const hold = Promise.withResolvers<void>();
  engine.holds.set('inspect', hold.promise);
  view.apply(event('a', 'die'));
  view.noteRemoved('a');
  hold.resolve();
  await settle();
  view.apply(event('a', 'destroy'));
  expect(await view.get('a', signal)).toBeUndefined();
  expect(changes).toEqual(['a created created', 'a deleted created']);
});

test('what vanished without an event is noticed by whoever asks about it', async () => {
  const { engine, view, changes } = setUp();
  engine.put('a', ours);
  await view.resync(signal);
  engine.containers.delete('a');
  view.apply(event('a', 'die'));
  await settle();
  expect(await view.get('a', signal)).toBeUndefined();
  expect(changes.at(-1)).toBe('a deleted created');
});

test('a resync forgets what is gone, but not what was made while the list was on its way', async () => {
  const { engine, view, changes } = setUp();
  engine.put('old', ours);
  engine.put('gone', ours);
  await view.resync(signal);
  engine.containers.delete('gone');
  const hold = Promise.withResolvers<void>();
  engine.holds.set('list', hold.promise);
  const resync = view.resync(signal);
  await settle();
  engine.put('new', ours);
  view.apply(event('new', 'create'));
  await settle();
  hold.resolve();
  await resync;
  expect((await view.list(ALL, signal)).map((entry) => entry.inspection.id).sort()).toEqual(['new', 'old']);
  expect(changes).toContain('gone deleted created');
});

test('a container that does not answer is known from the list, and does not hold up the others', async () => {
  const { engine, view, clock } = setUp();
  engine.put('a', { ...ours, status: 'running', startedAt: 5n });
  engine.failures.set('inspect', new UnavailableError('wedged'));
  await view.resync(signal);
  engine.holds.set('inspect', new Promise(() => undefined));
  const list = view.list(ALL, signal);
  await settle();
  await clock.advance(2_000);
  expect((await list).map((entry) => [entry.inspection.id, entry.inspection.status])).toEqual([['a', 'running']]);
  const status = view.get('a', signal);
  status.catch(() => undefined);
  await clock.advance(60_000);
  await expect(status).rejects.toThrow('did not finish within 30 s');
});

test('questions about one pod do not wait for the containers of others', async () => {
  const { engine, view } = setUp();
  engine.put('mine', ours);
  await view.resync(signal);
  engine.holds.set('inspect', new Promise(() => undefined));
  view.noteCreated('other', { ...container, sandboxId: 'other sandbox' });
  const mine = await view.list((record) => record.kind === 'container' && record.sandboxId === 's', signal);
  expect(mine.map((entry) => entry.inspection.id)).toEqual(['mine']);
});

test('the members of a sandbox are its containers', async () => {
  const { engine, view } = setUp();
  engine.put('s', { labels: encodeRecord('me', sandbox) });
  engine.put('a', ours);
  engine.put('b', { labels: encodeRecord('me', { ...container, sandboxId: 'other' }) });
  await view.resync(signal);
  expect(view.membersOf('s').map((entry) => entry.inspection.id)).toEqual(['a']);
  view.noteRemoved('a');
  expect(view.membersOf('s')).toEqual([]);
});

test('the sweep finds what no event has told', async () => {
  const { engine, view, changes } = setUp();
  for (const id of ['same', 'ended', 'gone']) engine.put(id, { ...ours, status: 'running', startedAt: 2n });
  await view.resync(signal);
  engine.become('ended', 'exited');
  engine.containers.delete('gone');
  engine.put('new', ours);
  changes.length = 0;
  expect(await view.sweep(signal)).toBe(3);
  expect(changes.sort()).toEqual(['ended stopped exited', 'gone deleted running', 'new created created']);
  expect(await view.sweep(signal)).toBe(0);
});

test('an action that fails is told to its caller, and the next question asks the engine', async () => {
  const { engine, view } = setUp();
  engine.put('a', ours);
  await view.resync(signal);
  const failing = view.act('a', 'start', () => {
    engine.put('a', { exitCode: 128 });
    return Promise.reject(new NotFoundError('nope'));
  });
  await expect(failing).rejects.toThrow('nope');
  expect((await view.get('a', signal))?.inspection.exitCode).toBe(128);
});
