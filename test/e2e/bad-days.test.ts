import { afterAll, beforeAll } from 'vitest';
import { startCluster, type Cluster } from './cluster.ts';
import { badDaysSuite } from './suites/bad-days.ts';
import { badStartsSuite } from './suites/bad-starts.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
});

badStartsSuite(() => cluster);
badDaysSuite(() => cluster);
