/** Hundreds of watches and the lease through the death and return of a server, with nothing scripted but the server. */
import { afterEach, expect, test } from 'vitest';
import { NodeLease } from '../../../src/cluster/lease.ts';
import { ObjectCache, type CacheableObject } from '../../../src/cluster/object-cache.ts';
import { SECRETS } from '../../../src/cluster/resources.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger, type Logger } from '../../../src/lib/log.ts';
import { LoopbackServer, connectTo, sendJson, sendStatus, serverIdentity, writeEvent, type Exchange, type ServerAnswer } from './server.ts';

const WATCHES = 300;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Secrets and a lease that outlive the process which serves them. */
class Storage {
  readonly versions = new Map<string, number>();
  readonly watches = new Map<string, ServerAnswer>();
  version = 100;
  /** Watches that start before this version are refused, as by a server whose cache is new. */
  oldest = 0;
  renewals = 0;
  authorizing = true;

  readonly handle = ({ method, url, answer, body }: Exchange): void => {
    if (url.pathname.includes('/leases/')) return this.#lease(method, answer, body);
    if (!this.authorizing) return sendStatus(answer, 403, 'Forbidden');
    const name = url.searchParams.get('fieldSelector')?.replace('metadata.name=', '') ?? '';
    if (!url.searchParams.has('watch')) {
      return sendJson(answer, 200, { metadata: { resourceVersion: String(this.version) }, items: [this.#secret(name)] });
    }
    answer.writeHead(200);
    if (Number(url.searchParams.get('resourceVersion')) < this.oldest) {
      writeEvent(answer, 'ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' });
      answer.end();
    } else {
      this.watches.set(name, answer);
      writeEvent(answer, 'BOOKMARK', { metadata: { resourceVersion: String(this.version) } });
    }
  };

  change(name: string): void {
    this.versions.set(name, (this.version += 1));
    const watch = this.watches.get(name);
    if (watch !== undefined) writeEvent(watch, 'MODIFIED', this.#secret(name));
  }

  #secret(name: string): object {
    return { metadata: { namespace: 'shop', name, uid: name, resourceVersion: String(this.versions.get(name) ?? 1) } };
  }

  #lease(method: string, answer: ServerAnswer, body: string): void {
    if (method === 'PUT') this.renewals += 1;
    const sent = method === 'PUT' ? (JSON.parse(body) as object) : {};
    sendJson(answer, 200, { spec: {}, ...sent, metadata: { name: 'node-1', namespace: 'kube-node-lease', resourceVersion: '1' } });
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 3000 && !condition(); tries += 1) await systemClock.sleep(10);
  expect(condition()).toBe(true);
}

test('three hundred watches and the lease survive a server that dies, comes back without history and first refuses everybody', async () => {
  const storage = new Storage();
  const identity = serverIdentity();
  let server = await LoopbackServer.start({ maxConcurrentStreams: 100, handle: storage.handle }, 0, identity);
  cleanups.push(() => server.close());
  const lines: string[] = [];
  const write = (message: string): void => void lines.push(message);
  const log: Logger = { ...silentLogger, warn: write, info: write };
  const { client, health, transport } = connectTo(server, { log });
  cleanups.push(() => transport.close());
  const cache = new ObjectCache<CacheableObject>({
    context: { client, clock: systemClock, log, health, random: Math.random },
    resource: SECRETS,
  });
  cleanups.push(() => cache.close());
  const changed = new Set<string>();
  cache.onChange((_namespace, name) => changed.add(name));
  const stop = new AbortController();
  cleanups.push(() => stop.abort(new Error('test over')));
  const leaseOptions = { client, clock: systemClock, log, health, nodeName: 'node-1', nodeUid: () => 'uid', random: () => 0 };
  void new NodeLease({ ...leaseOptions, durationSeconds: 4 }).run(stop.signal);

  const names = Array.from({ length: WATCHES }, (_, index) => `secret-${index}`);
  for (const name of names) cache.acquire('shop', name);
  await Promise.all(names.map((name) => cache.get('shop', name, stop.signal)));
  await until(() => storage.watches.size === WATCHES && storage.renewals >= 2);

  await server.close();
  await until(() => health.state?.up === false);
  storage.watches.clear();
  for (const name of names) storage.change(name);
  storage.oldest = storage.version;
  storage.authorizing = false;
  const renewalsBefore = storage.renewals;
  server = await LoopbackServer.start({ maxConcurrentStreams: 100, handle: storage.handle }, Number(server.url.port), identity);
  await until(() => health.state?.up === true);
  await systemClock.sleep(500);
  storage.authorizing = true;

  await until(() => changed.size === WATCHES && storage.watches.size === WATCHES && storage.renewals > renewalsBefore);
  changed.clear();
  for (const name of names) storage.change(name);
  await until(() => changed.size === WATCHES);
  expect(lines.filter((line) => line.startsWith('The API server'))).toEqual([
    'The API server answers',
    'The API server cannot be reached; retrying',
    'The API server answers again',
  ]);
  expect(lines.filter((line) => line.includes('watch')).length).toBeLessThanOrEqual(4);
  expect(lines.length).toBeLessThan(10);
});
