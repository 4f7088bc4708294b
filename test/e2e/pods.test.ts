import { afterAll, beforeAll } from 'vitest';
import { startCluster, type Cluster } from './cluster.ts';
import { containersSuite } from './suites/containers.ts';
import { imagesSuite } from './suites/images.ts';
import { lifecycleSuite } from './suites/lifecycle.ts';
import { nodeSuite } from './suites/node.ts';
import { probesSuite } from './suites/probes.ts';
import { streamsSuite } from './suites/streams.ts';
import { volumesSuite } from './suites/volumes.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
});

// One cluster for all: a node that serves many pods of many kinds is what is being tested.
nodeSuite(() => cluster);
lifecycleSuite(() => cluster);
containersSuite(() => cluster);
volumesSuite(() => cluster);
imagesSuite(() => cluster);
probesSuite(() => cluster);
streamsSuite(() => cluster);
