import { expect, test } from 'vitest';
import { containerHash } from './container-hash.ts';

test('only name and image count', () => {
  const base = containerHash({ name: 'web', image: 'nginx:1' });
  expect(containerHash({ image: 'nginx:1', name: 'web', env: [{ name: 'A', value: '1' }], resources: { limits: { cpu: '1' } } })).toBe(
    base,
  );
  expect(containerHash({ name: 'web', image: 'nginx:2' })).not.toBe(base);
  expect(containerHash({ name: 'web2', image: 'nginx:1' })).not.toBe(base);
});

test('the hash is the same in every version of the agent', () => {
  expect(containerHash({ name: 'web', image: 'nginx:1' })).toBe('28f15340');
});
