import { expect, test } from 'vitest';
import { settle } from '../lib/fake-clock.ts';
import { createProbeManager } from './probe-manager.ts';
import { execProbe, podWith, probeBench } from './testing/probe-bench.ts';

test('readiness begins as false, is tried at once and then every period', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ readinessProbe: execProbe() }));
  bench.observe(bench.container('a'));
  expect(probes.results.get('readiness', 'a')).toBe('failure');
  await bench.clock.advance(25_000);
  expect(probes.results.get('readiness', 'a')).toBe('success');
  expect(bench.times()).toEqual([0, 10_000, 20_000]);
  expect(bench.commands[0]).toMatchObject({ containerId: 'a', cmd: ['check'] });
});

test('the initial delay counts from the start of the container', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  const container = bench.container('a');
  await bench.clock.advance(3000);
  probes.syncPod(podWith({ readinessProbe: execProbe({ initialDelaySeconds: 5 }) }));
  bench.observe(container);
  await bench.clock.advance(10_000);
  expect(bench.times()).toEqual([5000]);
});

test('liveness begins somewhere in its first period and as success', async () => {
  const bench = probeBench();
  bench.state.random = 0.4;
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ livenessProbe: execProbe() }));
  bench.observe(bench.container('a'));
  expect(probes.results.get('liveness', 'a')).toBe('success');
  await bench.clock.advance(20_000);
  expect(bench.times()).toEqual([4000, 14_000]);
});

test('a verdict changes only after the threshold of equal results in a row, and listeners hear of changes only', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  const changes: string[] = [];
  probes.results.onChange((podUid, { kind, containerId, verdict }) => void changes.push(`${podUid} ${kind} ${containerId} ${verdict}`));
  probes.syncPod(podWith({ readinessProbe: execProbe({ failureThreshold: 3, successThreshold: 2 }) }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(9000);
  expect(probes.results.get('readiness', 'a')).toBe('failure');
  await bench.clock.advance(10_000);
  expect(probes.results.get('readiness', 'a')).toBe('success');
  for (const [exec, verdict] of [
    [1, 'success'],
    [1, 'success'],
    [0, 'success'],
    [1, 'success'],
    [1, 'success'],
    [1, 'failure'],
  ] as const) {
    bench.state.exec = exec;
    await bench.clock.advance(10_000);
    expect(probes.results.get('readiness', 'a')).toBe(verdict);
  }
  expect(changes).toEqual(['u1 readiness a failure', 'u1 readiness a success', 'u1 readiness a failure']);
});

test('each failure is an event about the container; success is none', async () => {
  const bench = probeBench();
  bench.state.exec = 3;
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ readinessProbe: execProbe() }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(15_000);
  bench.state.exec = 0;
  await bench.clock.advance(10_000);
  const event = 'Warning Unhealthy spec.containers{c} Readiness probe failed: outerr';
  expect(bench.events).toEqual([event, event]);
});

test('a failed liveness probe rests until there is a new container', async () => {
  const bench = probeBench();
  bench.state.exec = 'timeout';
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ livenessProbe: execProbe({ failureThreshold: 2, timeoutSeconds: 3 }) }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(60_000);
  expect(probes.results.get('liveness', 'a')).toBe('failure');
  expect(bench.times()).toEqual([0, 10_000]);
  expect(bench.events[0]).toBe('Warning Unhealthy spec.containers{c} Liveness probe failed: command timed out: "check" timed out after 3s');
  bench.state.exec = 0;
  bench.observe(bench.container('b'), bench.container('a', { state: 'exited' }));
  expect(probes.results.get('liveness', 'a')).toBeUndefined();
  expect(probes.results.get('liveness', 'b')).toBe('success');
  await bench.clock.advance(1000);
  expect(bench.times()).toEqual([0, 10_000, 60_000]);
});

test('a new container starts counting from nothing', async () => {
  const bench = probeBench();
  bench.state.exec = 1;
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ livenessProbe: execProbe({ failureThreshold: 2 }) }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(1000);
  bench.observe(bench.container('b'));
  await bench.clock.advance(1000);
  expect(bench.times()).toHaveLength(2);
  expect(probes.results.get('liveness', 'b')).toBe('success');
});

test('other probes wait for startup, which rests once it has decided', async () => {
  const bench = probeBench();
  bench.state.exec = 1;
  const probes = createProbeManager(bench.deps);
  const startup = execProbe({ exec: { command: ['startup'] }, failureThreshold: 10, periodSeconds: 5 });
  probes.syncPod(podWith({ startupProbe: startup, readinessProbe: execProbe(), livenessProbe: execProbe() }));
  bench.observe(bench.container('a'));
  expect(probes.results.get('startup', 'a')).toBe('unknown');
  await bench.clock.advance(12_000);
  expect(bench.commands.map(({ cmd }) => cmd[0])).toEqual(['startup', 'startup', 'startup']);
  bench.state.exec = 0;
  await bench.clock.advance(3000);
  expect(probes.results.get('startup', 'a')).toBe('success');
  await bench.clock.advance(20_000);
  const later = bench.commands.slice(3).map(({ cmd, at }) => `${cmd[0]} ${at}`);
  expect(later[0]).toBe('startup 15000');
  expect(later.filter((line) => line.startsWith('startup'))).toHaveLength(1);
  expect(later.filter((line) => line === 'check 15000')).toHaveLength(2);
});

test('a startup probe that fails for good rests too', async () => {
  const bench = probeBench();
  bench.state.exec = 1;
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ startupProbe: execProbe({ failureThreshold: 2 }) }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(60_000);
  expect(probes.results.get('startup', 'a')).toBe('failure');
  expect(bench.times()).toHaveLength(2);
});

test('failures of the agent itself are tried three times, reported, and count for nothing', async () => {
  const bench = probeBench();
  bench.state.exec = 'broken';
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ livenessProbe: execProbe({ failureThreshold: 1 }) }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(5000);
  expect(bench.times()).toEqual([0, 0, 0]);
  expect(bench.events).toEqual([
    'Warning Unhealthy spec.containers{c} Liveness probe errored and resulted in unknown state: engine is away',
  ]);
  expect(probes.results.get('liveness', 'a')).toBe('success');
  await bench.clock.advance(10_000);
  expect(bench.times()).toHaveLength(6);
});

test('a container that exits is not ready and is not probed any more', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ readinessProbe: execProbe(), livenessProbe: execProbe() }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(1000);
  bench.observe(bench.container('a', { state: 'exited' }));
  expect(probes.results.get('readiness', 'a')).toBe('failure');
  expect(probes.results.get('liveness', 'a')).toBe('success');
  expect(bench.clock.pendingTimers).toBe(0);
});

test('at most one try at a time: a slow one delays the next instead of overlapping it', async () => {
  const bench = probeBench();
  const slow = Promise.withResolvers<number>();
  bench.state.exec = slow.promise;
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ readinessProbe: execProbe() }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(35_000);
  bench.observe(bench.container('a'));
  expect(bench.times()).toEqual([0]);
  bench.state.exec = 0;
  slow.resolve(0);
  await settle();
  await bench.clock.advance(10_000);
  expect(bench.times()).toEqual([0, 35_000, 45_000]);
});

test('a result that comes after its container was replaced changes nothing and is no event', async () => {
  const bench = probeBench();
  const slow = Promise.withResolvers<number>();
  bench.state.exec = slow.promise;
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ readinessProbe: execProbe({ failureThreshold: 1 }) }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(1000);
  bench.state.exec = 0;
  bench.observe(bench.container('b'));
  await bench.clock.advance(1000);
  expect(probes.results.get('readiness', 'b')).toBe('success');
  slow.resolve(1);
  await bench.clock.advance(1000);
  expect(probes.results.get('readiness', 'b')).toBe('success');
  expect(probes.results.get('readiness', 'a')).toBeUndefined();
  expect(bench.events).toEqual([]);
});

test('a pod that is being deleted keeps only its readiness probe', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  const container = { readinessProbe: execProbe({ failureThreshold: 1 }), livenessProbe: execProbe({ failureThreshold: 1 }) };
  probes.syncPod(podWith(container));
  bench.observe(bench.container('a'));
  await bench.clock.advance(1000);
  bench.state.exec = 1;
  probes.syncPod(podWith(container, { deletionTimestamp: '2026-01-01T00:00:00Z' }));
  await bench.clock.advance(20_000);
  expect(probes.results.get('liveness', 'a')).toBeUndefined();
  expect(probes.results.get('readiness', 'a')).toBe('failure');
  expect(bench.events.every((event) => event.includes('Readiness'))).toBe(true);
});

test('removing the pod ends its probes and forgets its results', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ readinessProbe: execProbe(), livenessProbe: execProbe() }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(1000);
  probes.removePod('u1');
  expect(probes.results.get('readiness', 'a')).toBeUndefined();
  expect(bench.clock.pendingTimers).toBe(0);
  bench.observe(bench.container('a'));
  expect(bench.clock.pendingTimers).toBe(0);
});

test('containers that ran before the agent keep what was said of them until a probe says otherwise', async () => {
  const bench = probeBench();
  bench.state.random = 0.5;
  const old = bench.container('a', { startedAt: bench.clock.now() - 60_000 });
  const probes = createProbeManager(bench.deps);
  const changes: string[] = [];
  probes.results.onChange((_, { kind, verdict }) => void changes.push(`${kind} ${verdict}`));
  const pod = podWith({ startupProbe: execProbe({ exec: { command: ['startup'] } }), readinessProbe: execProbe() });
  probes.syncPod({
    ...pod,
    status: {
      containerStatuses: [{ name: 'c', containerID: 'docker://a', started: true, ready: true, image: '', imageID: '', restartCount: 0 }],
    },
  });
  bench.observe(old);
  expect(probes.results.get('readiness', 'a')).toBeUndefined();
  expect(changes).toEqual(['startup success']);
  await bench.clock.advance(9000);
  expect(bench.commands.map(({ cmd, at }) => `${cmd[0]} ${at}`)).toEqual(['check 5000']);
  expect(changes).toEqual(['startup success', 'readiness success']);
});

test('a container that was reported Ready stays so when the agent restarts within its first seconds', () => {
  const bench = probeBench();
  const young = bench.container('a', { startedAt: bench.clock.now() - 3_000 });
  const probes = createProbeManager(bench.deps);
  const pod = podWith({ readinessProbe: execProbe() });
  const status = { name: 'c', containerID: 'docker://a', started: true, ready: true, restartCount: 0, image: 'i', imageID: 'x' };
  probes.syncPod({ ...pod, status: { containerStatuses: [status] } });
  bench.observe(young);
  expect(probes.results.get('readiness', 'a')).toBeUndefined();
});

test('sidecars are probed, ordinary init containers are not', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  const pod = podWith({});
  const initContainers = [
    { name: 'side', restartPolicy: 'Always', readinessProbe: execProbe() },
    { name: 'init', readinessProbe: execProbe() },
  ];
  probes.syncPod({ ...pod, spec: { ...pod.spec, initContainers } });
  bench.observe(bench.container('s', { name: 'side' }), bench.container('i', { name: 'init' }));
  await bench.clock.advance(1000);
  expect(bench.commands.map(({ containerId }) => containerId)).toEqual(['s']);
  expect(bench.events).toEqual([]);
});

test('commands run in limited number at once, and waiting for a place costs none of the timeout', async () => {
  const bench = probeBench();
  const gate = Promise.withResolvers<number>();
  bench.state.exec = gate.promise;
  const probes = createProbeManager(bench.deps);
  const containers = Array.from({ length: 40 }, (_, index) => ({ name: `c${index}`, readinessProbe: execProbe({ timeoutSeconds: 1 }) }));
  const pod = podWith({});
  probes.syncPod({ ...pod, spec: { containers } });
  bench.observe(...containers.map(({ name }) => bench.container(name, { name })));
  await bench.clock.advance(5000);
  expect(bench.commands).toHaveLength(16);
  bench.state.exec = 0;
  gate.resolve(0);
  await bench.clock.advance(1000);
  expect(new Set(bench.commands.map(({ containerId }) => containerId)).size).toBe(40);
  expect(bench.events).toEqual([]);
});

test('values of the spec are put into commands', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  const readinessProbe = execProbe({ exec: { command: ['test', '$(A)', '$(UNKNOWN)', '$$(A)'] } });
  probes.syncPod(podWith({ env: [{ name: 'A', value: '1' }], readinessProbe }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(1000);
  expect(bench.commands[0]?.cmd).toEqual(['test', '1', '$(UNKNOWN)', '$(A)']);
});

test('a probe without a handler and a port without a name are the agent’s errors, by name', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ readinessProbe: { periodSeconds: 10 }, livenessProbe: { tcpSocket: { port: 'web' } } }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(1000);
  expect(bench.events).toEqual([
    'Warning Unhealthy spec.containers{c} Readiness probe errored and resulted in unknown state: missing probe handler for web_ns(u1):c',
    expect.stringMatching(/Liveness probe errored and resulted in unknown state: .*web/),
  ]);
});

test('gRPC answers become results', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ readinessProbe: { grpc: { port: 5000 }, failureThreshold: 1 } }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(1000);
  expect(probes.results.get('readiness', 'a')).toBe('success');
  bench.state.grpc = { outcome: 'answered', status: 'NOT_SERVING' };
  await bench.clock.advance(10_000);
  bench.state.grpc = { outcome: 'connect-timeout', message: 'context deadline exceeded' };
  await bench.clock.advance(10_000);
  expect(bench.events).toEqual([
    'Warning Unhealthy spec.containers{c} Readiness probe failed: service unhealthy (responded with "NOT_SERVING")',
    'Warning Unhealthy spec.containers{c} Readiness probe failed: timeout: failed to connect service "127.0.0.1:5000" within 1s: context deadline exceeded',
  ]);
});

test('stopping ends timers and subscriptions', async () => {
  const bench = probeBench();
  const probes = createProbeManager(bench.deps);
  probes.syncPod(podWith({ readinessProbe: execProbe() }));
  bench.observe(bench.container('a'));
  await bench.clock.advance(1000);
  await probes.stop();
  expect(bench.clock.pendingTimers).toBe(0);
  expect(bench.listeners).toBe(0);
});
