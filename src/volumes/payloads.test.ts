import { expect, test } from 'vitest';
import { configMapFiles, downwardFiles, secretFiles, throwAll, type Files } from './payloads.ts';
import { podWith, secret } from './testing/volume-bench.ts';

const all = { items: undefined, defaultMode: 0o640, optional: false };

function shown(files: Files): Record<string, string> {
  return Object.fromEntries([...files].map(([name, { data, mode }]) => [name, `${Buffer.from(data).toString()} ${mode.toString(8)}`]));
}

test('every key of a config map becomes a file, binary ones too', () => {
  const object = { metadata: { name: 'm' }, data: { a: 'text', empty: '' }, binaryData: { b: Buffer.from('bytes').toString('base64') } };
  expect(shown(configMapFiles(object, all))).toEqual({ a: 'text 640', empty: ' 640', b: 'bytes 640' });
});

test('items choose keys, paths and modes', () => {
  const items = [
    { key: 'a', path: 'dir/x', mode: 0o400 },
    { key: 'a', path: 'y' },
  ];
  expect(shown(secretFiles(secret('s', { a: '1', b: '2' }), { ...all, items }))).toEqual({ 'dir/x': '1 400', y: '1 640' });
});

test('a missing key is an error in the kubelet’s words, unless the reference is optional', () => {
  const items = [{ key: 'k', path: 'k' }];
  expect(() => configMapFiles({ metadata: {} }, { ...all, items })).toThrow('configmap references non-existent config key: k');
  expect(() => secretFiles({ metadata: {} }, { ...all, items })).toThrow('references non-existent secret key: k');
  expect(shown(secretFiles(undefined, { ...all, items, optional: true }))).toEqual({});
});

test('keys that are names of object properties are no keys', () => {
  const items = [{ key: 'constructor', path: 'x' }];
  expect(() => configMapFiles({ metadata: {}, data: {} }, { ...all, items })).toThrow('non-existent config key: constructor');
});

test('downward files show fields and resources, and every item without a value is named', () => {
  const node = { hostIPs: [], podIPs: [], allocatable: { cpu: '2' } };
  const pod = podWith([]);
  const items = [
    { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
    { path: 'cpu', mode: 0o400, resourceFieldRef: { containerName: 'c', resource: 'limits.cpu', divisor: '1m' } },
  ];
  expect(shown(downwardFiles(items, pod, 0o644, node))).toEqual({ labels: 'app="web" 644', cpu: '2000 400' });
  const broken = [
    { path: 'x', fieldRef: { fieldPath: 'spec.nope' } },
    { path: 'y', resourceFieldRef: { containerName: 'nobody', resource: 'limits.cpu' } },
  ];
  expect(() => downwardFiles(broken, pod, 0o644, node)).toThrow(/^\[.*spec\.nope.*, .*nobody.*\]$/);
});

test('one problem is thrown as it is, several as one', () => {
  const one = new Error('a');
  expect(() => throwAll([])).not.toThrow();
  expect(() => throwAll([one])).toThrow(one);
  expect(() => throwAll([one, new Error('b'), new Error('a')])).toThrow('[a, b]');
});
