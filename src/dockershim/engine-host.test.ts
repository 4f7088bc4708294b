import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { UNLIMITED_HOST, hostDevices, probeEngineHost } from './engine-host.ts';

const ALL = '000001ffffffffff';
/** Without CAP_SYS_RESOURCE. */
const LIMITED = '000001fffeffffff';

let proc: string;
beforeEach(async () => {
  proc = await mkdtemp(path.join(tmpdir(), 'proc-'));
});
afterEach(() => rm(proc, { recursive: true }));

async function process(name: string, comm: string, bounding: string, oomScoreAdj: number): Promise<void> {
  await mkdir(path.join(proc, name));
  await writeFile(path.join(proc, name, 'comm'), `${comm}\n`);
  await writeFile(path.join(proc, name, 'status'), `Name:\t${comm}\nCapBnd:\t${bounding}\n`);
  await writeFile(path.join(proc, name, 'oom_score_adj'), `${String(oomScoreAdj)}\n`);
}

test('the engine’s process counts, not this one', async () => {
  await process('self', 'node', LIMITED, -999);
  await process('12', 'bash', LIMITED, 0);
  await process('34', 'dockerd', ALL, -500);
  expect(await probeEngineHost(proc)).toEqual({ withheld: [], oomScoreFloor: -1000 });
});

test('an engine without CAP_SYS_RESOURCE gives no lower score than its own, and not that capability', async () => {
  await process('34', 'dockerd', LIMITED, -500);
  expect(await probeEngineHost(proc)).toEqual({ withheld: ['SYS_RESOURCE'], oomScoreFloor: -500 });
});

test('where no engine can be seen this process stands for it', async () => {
  await process('self', 'node', LIMITED, 3);
  expect((await probeEngineHost(proc)).oomScoreFloor).toBe(3);
});

test('capabilities that an older kernel does not know are not withheld', async () => {
  await process('34', 'dockerd', '0000003fffffffff', 0);
  expect((await probeEngineHost(proc)).withheld).toEqual([]);
});

test('without /proc nothing is known to be withheld', async () => {
  expect(await probeEngineHost(path.join(proc, 'none'))).toEqual(UNLIMITED_HOST);
});

test('devices of this machine are nodes, without those that a container has of its own', async () => {
  const devices = await hostDevices();
  expect(devices).toContain('/dev/null');
  expect(devices.filter((device) => device.startsWith('/dev/pts') || device === '/dev/console')).toEqual([]);
});
