import { expect, test } from 'vitest';
import type { ConfigMap, ContainerSpec, Pod, Secret, Service } from '../api/types.ts';
import { environmentNeedsPodIPs, makeEnvironment, type EnvironmentInput } from './env.ts';
import { expand, lookupIn } from './expansion.ts';

const signal = new AbortController().signal;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

interface World {
  readonly configMaps?: Record<string, ConfigMap>;
  readonly secrets?: Record<string, Secret>;
  readonly services?: Service[];
  readonly files?: Record<string, string>;
}

function input(container: Omit<ContainerSpec, 'name'>, world: World = {}, spec: Partial<Pod['spec']> = {}): EnvironmentInput {
  return {
    pod: { metadata: { name: 'p', namespace: 'shop', uid: 'u' }, spec: { containers: [], nodeName: 'n1', ...spec } },
    container: { name: 'c', ...container },
    objects: {
      configMap: async (_namespace, name) => world.configMaps?.[name],
      secret: async (_namespace, name) => world.secrets?.[name],
      services: async () => world.services ?? [],
    },
    hostIPs: ['192.0.2.1'],
    podIPs: ['10.0.0.9'],
    allocatable: { cpu: '4' },
    readVolumeFile: async (volume, path) => world.files?.[`${volume}/${path}`] ?? '',
  };
}

async function environment(...args: Parameters<typeof input>): Promise<Record<string, string>> {
  return Object.fromEntries(await makeEnvironment(input(...args), signal));
}

test('env wins over envFrom, a later source over an earlier one, and a prefix is put before every key', async () => {
  const result = await environment(
    {
      envFrom: [
        { configMapRef: { name: 'first' } },
        { configMapRef: { name: 'second' }, prefix: '' },
        { secretRef: { name: 's' }, prefix: 'S_' },
      ],
      env: [{ name: 'B', value: 'own' }],
    },
    {
      configMaps: { first: { data: { A: '1', B: '1', C: '1' } }, second: { data: { C: '2' } } },
      secrets: { s: { data: { TOKEN: base64('zażółć') } } },
    },
  );
  expect(result).toEqual({ A: '1', B: 'own', C: '2', S_TOKEN: 'zażółć' });
});

test('a value refers to what was declared before it and to services, not to what comes after', async () => {
  const services: Service[] = [{ metadata: { namespace: 'shop', name: 'db' }, spec: { clusterIP: '10.0.0.3', ports: [{ port: 5432 }] } }];
  const result = await environment(
    {
      env: [
        { name: 'URL', value: 'pg://$(DB_SERVICE_HOST)/$(NAME)' },
        { name: 'NAME', value: 'x' },
        { name: 'AGAIN', value: '$(NAME)$(NAME) $$(NAME)' },
      ],
    },
    { services },
  );
  expect(result).toMatchObject({ URL: 'pg://10.0.0.3/$(NAME)', AGAIN: 'xx $(NAME)', DB_SERVICE_PORT: '5432' });
});

test("the container's own variable hides a service's", async () => {
  const services: Service[] = [{ metadata: { namespace: 'shop', name: 'db' }, spec: { clusterIP: '10.0.0.3', ports: [{ port: 1 }] } }];
  expect(await environment({ env: [{ name: 'DB_SERVICE_HOST', value: 'mine' }] }, { services })).toMatchObject({ DB_SERVICE_HOST: 'mine' });
});

test('field, resource, config map, secret and file references', async () => {
  const result = await environment(
    {
      resources: { limits: { memory: '64Mi' } },
      env: [
        { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
        { name: 'CM', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k' } } },
        { name: 'SEC', valueFrom: { secretKeyRef: { name: 'sec', key: 'k' } } },
        { name: 'FILE', valueFrom: { fileKeyRef: { volumeName: 'v', path: 'a/env', key: 'K' } } },
      ],
    },
    {
      configMaps: { cm: { data: { k: '$(NODE)' } } },
      secrets: { sec: { data: { k: base64('s3') } } },
      files: { 'v/a/env': "K='from file'\n" },
    },
  );
  expect(result).toEqual({ NODE: 'n1', IP: '10.0.0.9', MEM: '64', CPU: '4', CM: '$(NODE)', SEC: 's3', FILE: 'from file' });
});

test('what is optional and absent is left out, an empty value is kept', async () => {
  const result = await environment(
    {
      envFrom: [{ configMapRef: { name: 'gone', optional: true } }, { secretRef: { name: 'gone', optional: true } }],
      env: [
        { name: 'A', valueFrom: { configMapKeyRef: { name: 'gone', key: 'k', optional: true } } },
        { name: 'B', valueFrom: { secretKeyRef: { name: 'there', key: 'other', optional: true } } },
        { name: 'F', valueFrom: { fileKeyRef: { volumeName: 'v', path: 'p', key: 'k', optional: true } } },
        { name: 'EMPTY' },
        { name: 'ALSO', valueFrom: { secretKeyRef: { name: 'there', key: 'empty' } } },
      ],
    },
    { secrets: { there: { data: { empty: '' } } } },
  );
  expect(result).toEqual({ EMPTY: '', ALSO: '' });
});

test.each([
  [{ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'gone', key: 'k' } } }] }, 'configmap "gone" not found'],
  [{ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'gone', key: 'k' } } }] }, 'secret "gone" not found'],
  [{ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k' } } }] }, "couldn't find key k in ConfigMap shop/cm"],
  [{ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'sec', key: 'k' } } }] }, "couldn't find key k in Secret shop/sec"],
  [
    { env: [{ name: 'A', valueFrom: { fileKeyRef: { volumeName: 'v', path: 'p', key: 'k' } } }] },
    'environment variable key "k" not found in file "p"',
  ],
  [{ envFrom: [{ configMapRef: { name: 'gone' } }] }, 'configmap "gone" not found'],
  [{ envFrom: [{ secretRef: { name: 'gone' } }] }, 'secret "gone" not found'],
])('what is required and absent is named: %j', async (container, message) => {
  await expect(makeEnvironment(input(container, { configMaps: { cm: {} }, secrets: { sec: {} } }), signal)).rejects.toThrow(message);
});

test('only references to the pod addresses make a container wait for its sandbox', () => {
  const ref = (fieldPath: string): ContainerSpec => ({ name: 'c', env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath } } }] });
  expect(environmentNeedsPodIPs(ref('status.podIPs'))).toBe(true);
  expect(environmentNeedsPodIPs(ref('status.hostIP'))).toBe(false);
  expect(environmentNeedsPodIPs({ name: 'c' })).toBe(false);
});

test('commands are expanded with the finished environment', async () => {
  const environment = await makeEnvironment(input({ env: [{ name: 'WHO', value: 'you' }] }), signal);
  expect(expand('hello $(WHO) $(NOBODY)', lookupIn(environment))).toBe('hello you $(NOBODY)');
});

test('static pods do not wait for services', async () => {
  const asked: (boolean | undefined)[] = [];
  const base = input({});
  const objects = { ...base.objects, services: async (_n: string, _s: AbortSignal, wait?: boolean) => (asked.push(wait), []) };
  await makeEnvironment({ ...base, objects }, signal);
  const metadata = { ...base.pod.metadata, annotations: { 'kubernetes.io/config.source': 'file' } };
  await makeEnvironment({ ...base, objects, pod: { ...base.pod, metadata } }, signal);
  expect(asked).toEqual([true, false]);
});
