import { expect, test } from 'vitest';
import type { NodeCondition } from '../api/types.ts';
import { UnavailableError } from '../lib/errors.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import { NodeManager } from './node-manager.ts';
import type { NodeFacts } from './node-status.ts';
import { FakeNodes, readyFacts, settings } from './test-fakes.ts';
import type { NodeSettings } from './types.ts';

function start(options: { readonly nodes?: FakeNodes; readonly settings?: NodeSettings } = {}) {
  const clock = new FakeClock();
  const nodes = options.nodes ?? new FakeNodes();
  const events: string[] = [];
  const cidrs: string[] = [];
  const state: { facts: NodeFacts; looks: number; running: number; mostRunning: number; gate?: Promise<void> } = {
    facts: readyFacts,
    looks: 0,
    running: 0,
    mostRunning: 0,
  };
  const controller = new AbortController();
  const manager = new NodeManager({
    settings: options.settings ?? settings,
    client: nodes,
    store: nodes,
    facts: {
      read: async () => {
        state.looks += 1;
        state.running += 1;
        state.mostRunning = Math.max(state.mostRunning, state.running);
        await state.gate;
        state.running -= 1;
        return state.facts;
      },
      imagesChanged: () => undefined,
      addresses: readyFacts.addresses,
    },
    events: { event: (_about, _type, reason) => void events.push(reason) },
    startEvents: [{ type: 'Warning', reason: 'HostLimited', message: 'x' }],
    podCidrChanged: (cidr) => void cidrs.push(cidr),
    clock,
    log: silentLogger,
    random: () => 0,
  });
  const done = manager.run(controller.signal);
  const ready = (): NodeCondition | undefined => nodes.node?.status?.conditions?.find(({ type }) => type === 'Ready');
  const stop = async (): Promise<void> => {
    controller.abort(new DOMException('stop', 'AbortError'));
    await done;
  };
  return { clock, nodes, events, cidrs, state, manager, ready, stop };
}

test('the node is registered and Ready at once', async () => {
  const { clock, manager, ready, events, stop } = start();
  await clock.advance(0);
  await manager.registered;
  expect(ready()?.status).toBe('True');
  expect(events).toEqual(['Starting', 'NodeHasSufficientMemory', 'NodeHasNoDiskPressure', 'NodeHasSufficientPID', 'HostLimited']);
  expect(manager.hostIPs()).toEqual(['10.0.0.1']);
  await stop();
});

test('a runtime that comes a second later makes the node ready well within a second more', async () => {
  const { clock, state, ready, stop } = start();
  state.facts = { ...readyFacts, notReadyReasons: ['container runtime is down'] };
  await clock.advance(1_000);
  expect(ready()).toMatchObject({ status: 'False', message: 'container runtime is down' });
  state.facts = readyFacts;
  await clock.advance(300);
  expect(ready()?.status).toBe('True');
  await stop();
});

test('a lost runtime is reported with the next look, or at once when told', async () => {
  const { clock, state, manager, ready, events, stop } = start();
  await clock.advance(0);
  state.facts = { ...readyFacts, notReadyReasons: ['x'] };
  manager.triggerUpdate();
  await clock.advance(0);
  expect(ready()?.status).toBe('False');
  expect(events.at(-1)).toBe('NodeNotReady');
  state.facts = readyFacts;
  await clock.advance(10_000);
  expect(ready()?.status).toBe('True');
  await stop();
});

test('without changes there is one report every five minutes, and a look every ten seconds', async () => {
  const { clock, nodes, state, stop } = start();
  await clock.advance(1_000);
  const [patches, looks] = [nodes.patches.length, state.looks];
  await clock.advance(600_000);
  expect(nodes.patches.length - patches).toBe(2);
  expect(state.looks - looks).toBe(60);
  expect(nodes.patches.at(-1)).toMatchObject({ status: { conditions: [{ lastHeartbeatTime: '2026-01-01T00:10:00Z' }, {}, {}, {}] } });
  await stop();
});

test('one look at a time, and a trigger during a look means exactly one more', async () => {
  const { clock, state, manager, stop } = start();
  await clock.advance(0);
  const gate = Promise.withResolvers<void>();
  state.gate = gate.promise;
  const before = state.looks;
  manager.triggerUpdate();
  await clock.advance(0);
  manager.triggerUpdate();
  manager.triggerUpdate();
  await clock.advance(0);
  expect(state.looks - before).toBe(1);
  gate.resolve();
  await clock.advance(0);
  expect(state.looks - before).toBe(2);
  expect(state.mostRunning).toBe(1);
  await stop();
});

test('an API server that is away is tried again until it answers', async () => {
  const nodes = new FakeNodes();
  nodes.failures.push(...Array.from({ length: 3 }, () => new UnavailableError('refused')));
  const { clock, manager, ready, stop } = start({ nodes });
  await clock.advance(0);
  expect(manager.node()).toBeUndefined();
  await clock.advance(1_000);
  expect(ready()?.status).toBe('True');
  await stop();
});

test('what pods may have is known as soon as the machine was looked at, with the API server away', async () => {
  const nodes = new FakeNodes();
  nodes.failures.push(new UnavailableError('refused'));
  const { clock, manager, stop } = start({ nodes });
  let looked = false;
  void manager.looked.then(() => (looked = true));
  expect([looked, manager.allocatable()]).toEqual([false, {}]);
  await clock.advance(0);
  expect([looked, manager.node(), manager.allocatable()['pods']]).toEqual([true, undefined, readyFacts.resources.allocatable['pods']]);
  await stop();
});

test('what others put on the node stays, and allocatable follows it', async () => {
  const { clock, nodes, state, manager, stop } = start();
  await clock.advance(0);
  nodes.write({
    metadata: { ...nodes.node?.metadata, name: 'n1', labels: { ...nodes.node?.metadata.labels, mine: 'x' }, annotations: { note: 'y' } },
    status: { ...nodes.node?.status, capacity: { ...nodes.node?.status?.capacity, 'example.com/dongle': '2' } },
  });
  state.facts = { ...readyFacts, notReadyReasons: ['x'] };
  await clock.advance(10_000);
  expect(nodes.node?.metadata).toMatchObject({ labels: { mine: 'x', 'kubernetes.io/os': 'linux' }, annotations: { note: 'y' } });
  expect(nodes.node?.status?.allocatable).toMatchObject({ cpu: '4', 'example.com/dongle': '2' });
  expect(manager.allocatable()).toMatchObject({ cpu: '4', 'example.com/dongle': '2' });
  await stop();
});

test('a node that somebody deletes is registered again', async () => {
  const { clock, nodes, ready, events, stop } = start();
  await clock.advance(0);
  const uid = nodes.node?.metadata.uid;
  nodes.delete();
  await clock.advance(0);
  expect(ready()?.status).toBe('True');
  expect(nodes.node?.metadata.uid).not.toBe(uid);
  expect(events.filter((reason) => reason === 'HostLimited')).toHaveLength(1);
  await stop();
});

test('an agent that does not register waits for the node', async () => {
  const nodes = new FakeNodes();
  const { clock, ready, stop } = start({ nodes, settings: { ...settings, registerNode: false } });
  await clock.advance(500);
  expect(nodes.calls).not.toContain('create');
  nodes.node = { metadata: { name: 'n1', uid: 'u' } };
  await clock.advance(10_000);
  expect(ready()?.status).toBe('True');
  await stop();
});

test('cordoning is told of once, and pod CIDRs are passed on once', async () => {
  const { clock, nodes, events, cidrs, stop } = start();
  await clock.advance(0);
  nodes.write({ spec: { unschedulable: true, podCIDRs: ['10.1.0.0/24', 'fd00::/64'] } });
  nodes.write({ spec: { unschedulable: true, podCIDRs: ['10.1.0.0/24', 'fd00::/64'] } });
  nodes.write({ spec: {} });
  expect(events.filter((reason) => reason.includes('Schedulable'))).toEqual(['NodeNotSchedulable', 'NodeSchedulable']);
  expect(cidrs).toEqual(['10.1.0.0/24,fd00::/64']);
  await stop();
});

test('an abort ends the run and leaves no timer', async () => {
  const { clock, stop } = start();
  await clock.advance(0);
  await stop();
  expect(clock.pendingTimers).toBe(0);
});
