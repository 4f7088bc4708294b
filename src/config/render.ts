/** The effective configuration as the two documents that would produce it. */
import { stringify } from 'yaml';
import { z } from 'zod';
import type { Config, DeepReadonly } from './config.ts';
import { KUBELET_API_VERSION, KUBELET_KIND, kubeletSchema, type KubeletSettings } from './kubelet-schema.ts';
import { SHORELET_API_VERSION, SHORELET_KIND, shoreletSchema, type ShoreletSettings } from './shorelet-schema.ts';

/** KubeletConfiguration as it stands in YAML, for `configz` too. */
export function kubeletDocument(settings: DeepReadonly<KubeletSettings>): Record<string, unknown> {
  return { apiVersion: KUBELET_API_VERSION, kind: KUBELET_KIND, ...z.encode(kubeletSchema, structuredClone(settings) as KubeletSettings) };
}

export function shoreletDocument(settings: DeepReadonly<ShoreletSettings>): Record<string, unknown> {
  return {
    apiVersion: SHORELET_API_VERSION,
    kind: SHORELET_KIND,
    ...z.encode(shoreletSchema, structuredClone(settings) as ShoreletSettings),
  };
}

/** Both documents as YAML; loading it gives the same configuration. */
export function renderConfig(config: Config): string {
  const documents = [kubeletDocument(config.kubelet), shoreletDocument({ ...config.shorelet, nodeName: config.derived.nodeName })];
  return documents.map((document) => stringify(document)).join('---\n');
}
