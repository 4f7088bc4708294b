import { expect, test } from 'vitest';
import { silentLogger } from '../lib/log.ts';
import { ForwardPolicyWatch } from './forward-policy.ts';

const result = {
  cniVersion: '1.0.0',
  ips: [],
  interfaces: [
    { name: 'cni0', sandbox: '' },
    { name: 'veth1', sandbox: '' },
    { name: 'eth0', sandbox: '/ns' },
  ],
};

async function warnings(rules: Record<string, string>, looks = 1): Promise<unknown[]> {
  const told: unknown[] = [];
  const logger = { ...silentLogger, warn: (_message: string, fields?: unknown): void => void told.push(fields) };
  const list = (chain: string): Promise<string> => {
    const found = rules[chain];
    return found === undefined ? Promise.reject(new Error('no such chain')) : Promise.resolve(found);
  };
  const watch = new ForwardPolicyWatch(list, logger, (name) => name === 'cni0');
  for (let look = 0; look < looks; look += 1) await watch.look(result);
  return told;
}

test('a bridge whose packets are dropped is named once, with a remedy', async () => {
  const told = await warnings({ FORWARD: '-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n', 'DOCKER-USER': '-N DOCKER-USER\n' }, 3);
  expect(told).toEqual([expect.objectContaining({ bridge: 'cni0', remedy: expect.stringContaining('DOCKER-USER -i cni0') as string })]);
});

test.each([
  ['the policy accepts', { FORWARD: '-P FORWARD ACCEPT\n' }],
  ['the bridge is accepted', { FORWARD: '-P FORWARD DROP\n', 'DOCKER-USER': '-A DOCKER-USER -i cni0 -j ACCEPT\n' }],
  ['the firewall plugin accepts pods', { FORWARD: '-P FORWARD DROP\n-A FORWARD -m comment -j CNI-FORWARD\n' }],
  ['there is no iptables', {}],
])('nothing is said when %s', async (_, rules) => {
  expect(await warnings(rules)).toEqual([]);
});

test('another bridge with a longer name is not this one', async () => {
  expect(await warnings({ FORWARD: '-P FORWARD DROP\n-A FORWARD -i cni01 -j ACCEPT\n' })).toHaveLength(1);
});
