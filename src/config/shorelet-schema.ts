/**
 * ShoreletConfiguration, shorelet.io/v1alpha1: what the kubelet has as flags only, and what it has no word for. An empty text
 * or list means "not set".
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { absolutePath, choice, duration, flag, integer, port, quantityMap, text, textList, textMap, textThat } from './fields.ts';
import { isDnsSubdomain } from './labels.ts';

export const SHORELET_API_VERSION = 'shorelet.io/v1alpha1';
export const SHORELET_KIND = 'ShoreletConfiguration';

const DOCKER_ENDPOINT = 'a unix socket such as "unix:///var/run/docker.sock" (ssh:// and tcp:// endpoints are not supported)';

export const shoreletSchema = z.strictObject({
  /** Path of the credentials for the API server. Empty: none, only static pods run. */
  kubeconfig: text(),
  /** Used to obtain the file above when it does not exist. */
  bootstrapKubeconfig: text(),
  rootDirectory: absolutePath('/var/lib/kubelet'),
  /** Empty: `<rootDirectory>/pki`. */
  certDirectory: absolutePath(),
  /** Empty: the machine's host name in lower case. */
  nodeName: textThat('a lower-case DNS name', isDnsSubdomain),
  /** One address, or one of each family. Empty: the address of the default route. */
  nodeIP: textList('IP addresses', (value) => isIP(value) !== 0),
  nodeLabels: textMap('a map of labels'),
  cloudProvider: choice(['', 'external'], ''),
  /** Replaces what the machine has, by resource. */
  capacity: quantityMap(['cpu', 'memory', 'ephemeral-storage', 'pods']),
  /** Marks the node the way virtual-kubelet does: label `type=virtual-kubelet` and taint `virtual-kubelet.io/provider`. */
  virtualKubelet: z.strictObject({ enabled: flag(false), provider: text('shorelet') }).prefault({}),
  /** Pods that are worked on at the same time. */
  maxConcurrentPodSyncs: integer(64, { min: 1, max: 1024 }),

  dockerEndpoint: textThat(DOCKER_ENDPOINT, (value) => /^unix:\/\/\/./.test(value), 'unix:///var/run/docker.sock'),
  /** A pull that moves no byte for so long is cancelled. */
  imagePullProgressDeadline: duration('1m', { minMs: 1000 }),
  podSandboxImage: text('registry.k8s.io/pause:3.10.2'),
  dockershim: z
    .strictObject({
      /** The CRI socket that `shorelet dockershim` serves. As containerRuntimeEndpoint it means the runtime inside the agent. */
      endpoint: textThat('a unix socket', (value) => /^unix:\/\/\/./.test(value), 'unix:///run/shorelet/dockershim.sock'),
      /** Checkpoints of sandboxes. Empty: `<rootDirectory>/dockershim`. */
      rootDirectory: absolutePath(),
    })
    .prefault({}),
  /** The runtime's own server for exec, attach and port-forward; its idle limit is streamingConnectionIdleTimeout. */
  streaming: z
    .strictObject({
      address: textThat('an IP address', (value) => isIP(value) !== 0, '127.0.0.1'),
      /** 0: any free one. */
      port: port(0, 'kept'),
      creationTimeout: duration('30s', { minMs: 1000 }),
    })
    .prefault({}),
  /** Network plugin; the hairpin mode is KubeletConfiguration's. */
  network: z
    .strictObject({
      /** Empty: Docker's bridge. */
      plugin: choice(['', 'cni'], ''),
      binDirs: textList('absolute paths', (value) => value.startsWith('/'), ['/opt/cni/bin']),
      confDir: absolutePath('/etc/cni/net.d'),
      cacheDir: absolutePath('/var/lib/cni/cache'),
      /** 0: the plugin's own. */
      mtu: integer(0, { max: 65535 }),
      nonMasqueradeCIDR: textThat('a CIDR such as "10.0.0.0/8"', (value) => ipaddr.isValidCIDR(value), '10.0.0.0/8'),
    })
    .prefault({}),
  imageGC: z
    .strictObject({
      /** `own`: only images this agent pulled. `all`: every unused image of the engine, as the kubelet does. */
      scope: choice(['own', 'all'], 'own'),
    })
    .prefault({}),
  containerGC: z
    .strictObject({
      minimumAge: duration('0s', { zero: 'kept' }),
      /** Dead containers that are kept for each container of a pod; -1 is no limit. */
      maxPerPodContainer: integer(1, { zero: 'kept', min: -1 }),
      /** Dead containers that are kept in all; -1 is no limit. */
      maxContainers: integer(-1, { zero: 'kept', min: -1 }),
    })
    .prefault({}),
  imageCredentialProvider: z.strictObject({ config: text(), binDirectory: text() }).prefault({}),
});

/** ShoreletConfiguration as the program uses it: every default applied, durations in ms, quantities parsed. */
export type ShoreletSettings = z.output<typeof shoreletSchema>;
