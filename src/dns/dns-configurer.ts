import type { DnsConfigurer, DnsDeps } from './types.ts';

export declare function createDnsConfigurer(deps: DnsDeps): DnsConfigurer;
