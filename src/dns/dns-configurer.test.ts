import { expect, test } from 'vitest';
import type { ObjectReference, Pod, PodSpec } from '../api/types.ts';
import { createDnsConfigurer, parseClusterDns } from './dns-configurer.ts';
import type { DnsConfigurer, DnsSettings } from './types.ts';

interface Setup {
  readonly settings?: Partial<DnsSettings>;
  readonly files?: Readonly<Record<string, string>>;
  readonly nodeIPs?: readonly string[];
}

function configure({ settings, files, nodeIPs }: Setup = {}) {
  const events: { readonly about: ObjectReference; readonly reason: string; readonly message: string }[] = [];
  const content: Readonly<Record<string, string>> = { '/etc/resolv.conf': 'nameserver 192.0.2.1\nsearch lan\noptions ndots:1\n', ...files };
  const dns: DnsConfigurer = createDnsConfigurer({
    settings: { clusterDNS: ['10.96.0.10'], clusterDomain: 'cluster.local', resolverConfig: '/etc/resolv.conf', ...settings },
    events: { event: (about, _type, reason, message) => events.push({ about, reason, message }) },
    node: { kind: 'Node', name: 'n1' },
    nodeIPs: () => nodeIPs ?? ['192.0.2.10'],
    readText(path) {
      const text = content[path];
      if (text === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
      return text;
    },
  });
  return { dns, events };
}

function pod(spec: Partial<PodSpec> = {}, name = 'web'): Pod {
  return { metadata: { name, namespace: 'shop', uid: 'u1' }, spec: { containers: [], dnsPolicy: 'ClusterFirst', ...spec } };
}

test('a ClusterFirst pod asks only the cluster server and searches the cluster first, then the node', () => {
  const { dns, events } = configure();
  expect(dns.dnsConfig(pod())).toEqual({
    servers: ['10.96.0.10'],
    searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'lan'],
    options: ['ndots:5'],
  });
  expect(events).toEqual([]);
});

test('a ClusterFirst pod with host networking gets the node configuration, ClusterFirstWithHostNet the cluster one', () => {
  const { dns } = configure();
  expect(dns.dnsConfig(pod({ hostNetwork: true })).servers).toEqual(['192.0.2.1']);
  expect(dns.dnsConfig(pod({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' })).servers).toEqual(['10.96.0.10']);
});

test('without cluster servers a ClusterFirst pod falls back to the node, and pod and node get a MissingClusterDNS event', () => {
  const { dns, events } = configure({ settings: { clusterDNS: [] } });
  expect(dns.dnsConfig(pod())).toEqual({ servers: ['192.0.2.1'], searches: ['lan'], options: ['ndots:1'] });
  expect(events.map(({ about, reason }) => [about.kind, reason])).toEqual([
    ['Node', 'MissingClusterDNS'],
    ['Pod', 'MissingClusterDNS'],
  ]);
  expect(events[1]?.message).toMatch(/^pod: "web_shop\(u1\)"\. kubelet does not have ClusterDNS IP configured/);
});

test('policy None starts from nothing and takes what dnsConfig says', () => {
  const { dns } = configure();
  const dnsConfig = { nameservers: ['1.1.1.1'], searches: ['ns1.svc'], options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }] };
  expect(dns.dnsConfig(pod({ dnsPolicy: 'None', dnsConfig }))).toEqual({
    servers: ['1.1.1.1'],
    searches: ['ns1.svc'],
    options: ['ndots:2', 'edns0'],
  });
});

test('policy None does not even read the resolver configuration', () => {
  const { dns } = configure({ settings: { resolverConfig: '/missing' } });
  expect(dns.dnsConfig(pod({ dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'] } })).servers).toEqual(['1.1.1.1']);
});

test('dnsConfig is appended without duplicates, and its options win over those of the policy', () => {
  const { dns } = configure();
  const dnsConfig = { nameservers: ['10.96.0.10', '1.1.1.1'], searches: ['lan', 'extra'], options: [{ name: 'ndots', value: '1' }] };
  const config = dns.dnsConfig(pod({ dnsConfig }));
  expect(config.servers).toEqual(['10.96.0.10', '1.1.1.1']);
  expect(config.searches.slice(-2)).toEqual(['lan', 'extra']);
  expect(config.options).toEqual(['ndots:1']);
});

test('a fourth name server is dropped with an event that shows the line applied', () => {
  const { dns, events } = configure();
  const dnsConfig = { nameservers: ['1.0.0.1', '1.0.0.2', '1.0.0.3'] };
  expect(dns.dnsConfig(pod({ dnsConfig })).servers).toEqual(['10.96.0.10', '1.0.0.1', '1.0.0.2']);
  expect(events).toMatchObject([
    {
      about: { kind: 'Pod', name: 'web' },
      reason: 'DNSConfigForming',
      message:
        'Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 10.96.0.10 1.0.0.1 1.0.0.2',
    },
  ]);
});

test('more than 32 search domains are cut', () => {
  const { dns, events } = configure();
  const searches = Array.from({ length: 40 }, (_, index) => `d${index}.example`);
  expect(dns.dnsConfig(pod({ dnsPolicy: 'None', dnsConfig: { searches } })).searches).toEqual(searches.slice(0, 32));
  expect(events).toMatchObject([{ reason: 'DNSConfigForming' }]);
});

test('a search domain beyond 253 characters is left out, those after it stay', () => {
  const { dns, events } = configure();
  const searches = ['a'.repeat(254), 'kept.example'];
  expect(dns.dnsConfig(pod({ dnsPolicy: 'None', dnsConfig: { searches } })).searches).toEqual(['kept.example']);
  expect(events).toHaveLength(1);
});

test('the search line keeps as many domains as fit in 2048 characters, exactly 2048 included', () => {
  const { dns, events } = configure();
  const searches = [...Array.from({ length: 8 }, (_, index) => `${index}`.repeat(227)), 'x'.repeat(224)];
  expect(searches.join(' ')).toHaveLength(2048);
  expect(dns.dnsConfig(pod({ dnsPolicy: 'None', dnsConfig: { searches } })).searches).toEqual(searches);
  expect(events).toEqual([]);
  expect(dns.dnsConfig(pod({ dnsPolicy: 'None', dnsConfig: { searches: [...searches, 'y'] } })).searches).toEqual(searches);
});

test('without a resolver configuration a Default pod asks its own loopback, of each family the node has', () => {
  const { dns } = configure({ settings: { resolverConfig: '' }, nodeIPs: ['192.0.2.10', '2001:db8::1'] });
  expect(dns.dnsConfig(pod({ dnsPolicy: 'Default' }))).toEqual({ servers: ['127.0.0.1', '::1'], searches: ['.'], options: [] });
});

test('a resolver configuration that cannot be read fails the pod', () => {
  const { dns } = configure({ settings: { resolverConfig: '/missing' } });
  expect(() => dns.dnsConfig(pod())).toThrow('/missing');
});

test('an entry of clusterDNS that is no address is refused by name; addresses become canonical', () => {
  expect(() => configure({ settings: { clusterDNS: ['10.96.0.10', 'kube-dns'] } })).toThrow(
    'clusterDNS[1]: expected an IP address, found "kube-dns"',
  );
  expect(parseClusterDns(['2001:DB8:0:0:0:0:0:10', '::ffff:10.0.0.1'])).toEqual(['2001:db8::10', '10.0.0.1']);
});

test('the hostname is the pod name unless the spec has one; a subdomain makes the domain', () => {
  const { dns } = configure();
  expect(dns.hostname(pod())).toEqual({ hostname: 'web', domain: '' });
  expect(dns.hostname(pod({ hostname: 'a', subdomain: 'b' }))).toEqual({ hostname: 'a', domain: 'b.shop.svc.cluster.local' });
});

test('a hostname beyond 63 characters is cut and loses trailing dashes and dots', () => {
  const { dns } = configure();
  expect(dns.hostname(pod({}, `${'a'.repeat(61)}-.bcd`)).hostname).toBe('a'.repeat(61));
  expect(dns.hostname(pod({}, 'b'.repeat(80))).hostname).toBe('b'.repeat(63));
});

test('hostnameOverride may have dots and leaves no domain; names that are no DNS names are refused', () => {
  const { dns } = configure();
  expect(dns.hostname(pod({ hostnameOverride: 'x.y', hostname: 'a', subdomain: 'b' }))).toEqual({ hostname: 'x.y', domain: '' });
  expect(() => dns.hostname(pod({ hostnameOverride: 'X' }))).toThrow('pod HostnameOverride "X" is not a valid DNS subdomain');
  expect(() => dns.hostname(pod({ hostname: 'a.b' }))).toThrow('pod Hostname "a.b" is not a valid DNS label');
  expect(() => dns.hostname(pod({ subdomain: '-b' }))).toThrow('pod Subdomain "-b" is not a valid DNS label');
});

test('setHostnameAsFQDN gives the kernel the FQDN up to 64 characters and refuses longer ones', () => {
  const { dns } = configure();
  const fqdn = (hostname: string) => pod({ hostname, subdomain: 'sub', setHostnameAsFQDN: true });
  const rest = '.sub.shop.svc.cluster.local';
  expect(dns.sandboxHostname(fqdn('h'.repeat(64 - rest.length)))).toBe('h'.repeat(64 - rest.length) + rest);
  expect(() => dns.sandboxHostname(fqdn('h'.repeat(65 - rest.length)))).toThrow(
    'too long (64 characters is the max, 65 characters requested)',
  );
  expect(dns.sandboxHostname(pod({ hostname: 'h', setHostnameAsFQDN: true }))).toBe('h');
});

test('the managed hosts file has a line an address, with the FQDN first when there is a domain', () => {
  const { dns } = configure();
  const file = dns.hostsFile(pod({ hostname: 'a', subdomain: 'b' }), ['10.0.0.2', 'fd00::2']);
  expect(file).toBe(
    [
      '# Kubernetes-managed hosts file.',
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
      'fe00::0\tip6-localnet',
      'fe00::0\tip6-mcastprefix',
      'fe00::1\tip6-allnodes',
      'fe00::2\tip6-allrouters',
      '10.0.0.2\ta.b.shop.svc.cluster.local\ta',
      'fd00::2\ta.b.shop.svc.cluster.local\ta',
      '',
    ].join('\n'),
  );
});

test('with host networking the hosts file is the host’s own, aliases appended', () => {
  const { dns } = configure({ files: { '/etc/hosts': '127.0.0.1 box\n' } });
  const hostAliases = [{ ip: '1.2.3.4', hostnames: ['x', 'y'] }];
  expect(dns.hostsFile(pod({ hostNetwork: true, hostAliases }), [])).toBe(
    '# Kubernetes-managed hosts file (host network).\n127.0.0.1 box\n\n# Entries added by HostAliases.\n1.2.3.4\tx\ty\n',
  );
});

test('at start the node hears of a resolver configuration that leaves no room for the cluster domains', () => {
  const search = `search ${Array.from({ length: 30 }, (_, index) => `d${index}`).join(' ')}\n`;
  const crowded = configure({ files: { '/etc/resolv.conf': search } });
  crowded.dns.checkLimitsForResolvConf();
  expect(crowded.events).toMatchObject([
    {
      about: { kind: 'Node' },
      reason: 'CheckLimitsForResolvConf',
      message: "Resolv.conf file '/etc/resolv.conf' contains search line consisting of more than 29 domains!",
    },
  ]);
  const fine = configure({ files: { '/etc/resolv.conf': search }, settings: { clusterDomain: '' } });
  fine.dns.checkLimitsForResolvConf();
  expect(fine.events).toEqual([]);
});
