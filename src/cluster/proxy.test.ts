import { expect, test } from 'vitest';
import { proxyFor } from './proxy.ts';

const env = { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: 'internal, .example.com,*.corp,10.0.0.0/8,192.0.2.7,fd00::/8,host:6443' };

test.each([
  ['https://api.public:6443', 'http://proxy:3128/'],
  ['https://internal', undefined],
  ['https://api.internal', undefined],
  ['https://notinternal', 'http://proxy:3128/'],
  ['https://a.example.com', undefined],
  ['https://example.com', 'http://proxy:3128/'],
  ['https://a.corp', undefined],
  ['https://10.1.2.3:6443', undefined],
  ['https://11.1.2.3:6443', 'http://proxy:3128/'],
  ['https://192.0.2.7', undefined],
  ['https://[fd00::1]:6443', undefined],
  ['https://host:6443', undefined],
  ['https://host:7443', 'http://proxy:3128/'],
  ['https://127.0.0.1:6443', undefined],
  ['https://[::1]:6443', undefined],
  ['https://localhost:6443', undefined],
  ['http://api.public', undefined],
])('%s goes through %s', (server, proxy) => {
  expect(proxyFor(new URL(server), undefined, env)?.href).toBe(proxy);
});

test('the kubeconfig’s proxy comes before the environment, which may lack a scheme', () => {
  const server = new URL('https://api.public');
  expect(proxyFor(server, 'https://mine:8080', env)?.href).toBe('https://mine:8080/');
  expect(proxyFor(server, undefined, { https_proxy: 'proxy:3128' })?.href).toBe('http://proxy:3128/');
  expect(proxyFor(server, undefined, { HTTPS_PROXY: 'http://proxy', NO_PROXY: '*' })).toBeUndefined();
});

test('a proxy that cannot be spoken to is refused by name', () => {
  expect(() => proxyFor(new URL('https://api'), 'socks5://p:1080', {})).toThrow(/proxy-url "socks5:\/\/p:1080": only http and https/);
  expect(() => proxyFor(new URL('https://api'), 'http://', {})).toThrow(/is not a URL/);
});
