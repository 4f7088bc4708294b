import { expect, test } from 'vitest';
import { mergeOptions, parseResolvConf } from './resolv-conf.ts';

test('name servers add up, the last search line wins, comments and unknown words are skipped', () => {
  const text = [
    '# nameserver 9.9.9.9',
    'nameserver 10.0.0.1',
    '\tnameserver   fe80::1%eth0 trailing words',
    'search old.example',
    'search a.example. b.example .',
    'domain ignored.example',
    '; also ignored',
    '',
  ].join('\n');
  expect(parseResolvConf(text)).toEqual({
    servers: ['10.0.0.1', 'fe80::1%eth0'],
    searches: ['a.example', 'b.example'],
    options: [],
  });
});

test('of options of one name the later wins, across lines and within one', () => {
  expect(parseResolvConf('options ndots:1 attempts:2\noptions rotate ndots:3 ndots:4\n').options).toEqual([
    'ndots:4',
    'attempts:2',
    'rotate',
  ]);
});

test('an empty search line clears the earlier one', () => {
  expect(parseResolvConf('search a.example\nsearch\n').searches).toEqual([]);
});

test('a nameserver line without an address is refused', () => {
  expect(() => parseResolvConf('nameserver\n')).toThrow('nameserver line has no address');
});

test('an option with a value replaces the same option without one', () => {
  expect(mergeOptions(['use-vc', 'ndots:5'], ['ndots:2', 'use-vc:1'])).toEqual(['use-vc:1', 'ndots:2']);
});
