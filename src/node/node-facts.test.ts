import { expect, test } from 'vitest';
import { UnavailableError } from '../lib/errors.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { silentLogger, type Logger } from '../lib/log.ts';
import { parseQuantity } from '../api/quantity.ts';
import { PressureMonitor } from '../resources/pressure.ts';
import type { Image, RuntimeStatus } from '../runtime/types.ts';
import { NodeFactsSource } from './node-facts.ts';
import { createNodeStorage } from './node-storage.ts';
import { machine, settings } from './test-fakes.ts';

const signal = new AbortController().signal;
const condition = (type: string, status: boolean) => ({ type, status, reason: '', message: '' });
const status = (ready: boolean): RuntimeStatus => ({
  conditions: [condition('RuntimeReady', ready), condition('NetworkReady', ready)],
  runtimeHandlers: [],
  features: { supplementalGroupsPolicy: false },
});
const image: Image = { id: 'sha256:1', repoTags: ['a:1'], repoDigests: [], size: 1, pinned: false, spec: { image: 'a:1' } };

function create() {
  const clock = new FakeClock();
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) };
  const state = { ready: true, wedged: false, version: '1', lists: 0, diskFree: 500, address: true };
  const source = new NodeFactsSource({
    settings,
    machine,
    hierarchy: undefined,
    runtime: {
      status: () => (state.wedged ? new Promise(() => undefined) : Promise.resolve(status(state.ready))),
      version: async () => ({ version: '0.1.0', runtimeName: 'docker', runtimeVersion: state.version, runtimeApiVersion: 'v1' }),
    },
    images: {
      listImages: async () => {
        state.lists += 1;
        return [image];
      },
    },
    storage: {
      nodeFs: async () => ({ capacityBytes: 1000, availableBytes: state.diskFree, inodes: 0, inodesFree: 0 }),
      imageFs: async () => {
        throw new UnavailableError('no image file system');
      },
    },
    reports: { notReadyReasons: () => [], volumesInUse: () => ['v'] },
    pressure: new PressureMonitor(
      { thresholds: { 'nodefs.available': { quantity: parseQuantity(100) } }, transitionPeriodMs: 60_000 },
      clock,
    ),
    addressFacts: async () => ({
      interfaces: state.address
        ? { eth0: [{ address: '10.0.0.1', family: 'IPv4', netmask: '', mac: '', internal: false, cidr: null }] }
        : {},
      routes: { ipv4: '', ipv6: '' },
      resolved: [],
    }),
    clock,
    log,
  });
  return { clock, warnings, state, source };
}

test('a healthy node has no reason not to be ready', async () => {
  const { source } = create();
  const facts = await source.read(signal);
  expect(facts).toMatchObject({ notReadyReasons: [], volumesInUse: ['v'], runtime: { runtimeVersion: '1' }, images: [image] });
  expect(facts.resources.capacity).toMatchObject({ 'ephemeral-storage': '1k' });
});

test('images are listed again when told, after an outage, and every five minutes', async () => {
  const { clock, state, source } = create();
  const listsAfter = async (change: () => void): Promise<number> => {
    const before = state.lists;
    change();
    await source.read(signal);
    return state.lists - before;
  };
  await source.read(signal);
  expect(await listsAfter(() => undefined)).toBe(0);
  expect(await listsAfter(() => source.imagesChanged())).toBe(1);
  expect(await listsAfter(() => (state.ready = false))).toBe(0);
  state.version = '2';
  expect(await listsAfter(() => (state.ready = true))).toBe(1);
  expect((await source.read(signal)).runtime?.runtimeVersion).toBe('2');
  await clock.advance(300_000);
  expect(await listsAfter(() => undefined)).toBe(1);
});

test('a wedged runtime delays the look by its deadline only, and is told of once', async () => {
  const { clock, warnings, state, source } = create();
  await source.read(signal);
  state.wedged = true;
  for (let look = 0; look < 2; look += 1) {
    const facts = source.read(signal);
    await clock.advance(5_000);
    expect((await facts).notReadyReasons).toEqual([]);
  }
  await clock.advance(30_000);
  const facts = source.read(signal);
  await clock.advance(5_000);
  expect((await facts).notReadyReasons).toEqual(['container runtime is down']);
  expect(warnings.filter((warning) => warning === 'The container runtime does not answer')).toHaveLength(1);
});

test('pressure is measured although the image file system cannot be told', async () => {
  const { state, source } = create();
  state.diskFree = 99;
  expect([...(await source.read(signal)).pressures]).toEqual(['DiskPressure']);
});

test('lost addresses stay as they were; without any the node is not ready', async () => {
  const { state, source } = create();
  await source.read(signal);
  state.address = false;
  expect((await source.read(signal)).addresses).toHaveLength(2);
  const other = create();
  other.state.address = false;
  expect((await other.source.read(signal)).notReadyReasons.join()).toContain("can't get ip address of node n1");
});

test('the runtime is asked once an hour where its images are', async () => {
  const clock = new FakeClock();
  let asked = 0;
  const imageFsInfo = async () => {
    asked += 1;
    return { imageFilesystems: [{ timestamp: 0n, mountpoint: '/' }], containerFilesystems: [] };
  };
  const storage = createNodeStorage({ rootDirectory: '/', images: { imageFsInfo }, clock });
  expect((await storage.imageFs(signal))?.capacityBytes).toBeGreaterThan(0);
  await storage.imageFs(signal);
  expect(asked).toBe(1);
  await clock.advance(3_600_000);
  await storage.imageFs(signal);
  expect(asked).toBe(2);
});
