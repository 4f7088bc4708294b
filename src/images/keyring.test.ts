import { expect, test } from 'vitest';
import { Keyring } from './keyring.ts';

/** User names of what is found, in order, where each registry's user is its own name. */
function users(registries: readonly string[], repository: string): (string | undefined)[] {
  const keyring = new Keyring();
  for (const registry of registries) keyring.add(registry, { auth: { username: registry } });
  return keyring.lookup(repository).map(({ auth }) => auth.username);
}

test.each([
  ['registry.example.com', 'registry.example.com/team/app', true],
  ['https://registry.example.com', 'registry.example.com/app', true],
  ['http://registry.example.com/v2/', 'registry.example.com/app', true],
  ['registry.example.com/team', 'registry.example.com/team/app', true],
  ['registry.example.com/team', 'registry.example.com/other/app', false],
  ['registry.example.com', 'registry.example.com:5000/app', false],
  ['registry.example.com:5000', 'registry.example.com:5000/app', true],
  ['*.example.com', 'registry.example.com/app', true],
  ['*.example.com', 'a.b.example.com/app', false],
  ['*.*.example.com', 'a.b.example.com/app', true],
  ['prefix-*.example.com', 'prefix-eu.example.com/app', true],
  ['r?g.example.com', 'reg.example.com/app', true],
  ['reg[0-9].example.com', 'reg7.example.com/app', true],
  ['*', 'example.com/app', false],
  ['example.com', 'notexample.com/app', false],
  ['ex.mple.com', 'example.com/app', false],
])('%s for %s: %s', (registry, repository, found) => {
  expect(users([registry], repository)).toEqual(found ? [registry] : []);
});

test('the more specific entry comes first, all that match are offered', () => {
  const registries = ['example.com', 'example.com/team', 'example.com/team/app', 'other.com'];
  expect(users(registries, 'example.com/team/app')).toEqual(['example.com/team/app', 'example.com/team', 'example.com']);
});

test('several credentials of one registry are all tried, in the order in which they were given', () => {
  const keyring = new Keyring();
  keyring.add('example.com', { auth: { username: 'old' } });
  keyring.add('https://example.com/', { auth: { username: 'new' } });
  expect(keyring.lookup('example.com/app').map(({ auth }) => auth.username)).toEqual(['old', 'new']);
});

test("Docker Hub's credentials are found under its old name", () => {
  expect(users(['https://index.docker.io/v1/'], 'docker.io/library/nginx')).toEqual(['https://index.docker.io/v1/']);
  expect(users(['https://index.docker.io/v1/'], 'registry.example.com/nginx')).toEqual([]);
});
