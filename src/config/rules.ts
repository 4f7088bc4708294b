/** What has to hold between fields (kubelet pkg/kubelet/apis/config/validation/validation.go, cmd/kubelet/app/options/options.go). */
import { isIPv4 } from 'node:net';
import type { KubeletSettings } from './kubelet-schema.ts';
import { isAllowedNodeLabel, isLabelValue, isQualifiedName } from './labels.ts';
import type { DocumentName } from './layers.ts';
import type { ShoreletSettings } from './shorelet-schema.ts';

/** A broken rule; the loader adds where the value came from. */
export interface BrokenRule {
  readonly document: DocumentName;
  readonly path: readonly string[];
  readonly expected: string;
  readonly found: unknown;
  readonly remedy: string;
}

export function brokenRules(kubelet: KubeletSettings, shorelet: ShoreletSettings): BrokenRule[] {
  return [
    ...thresholdRules(kubelet),
    ...pairRules(kubelet),
    ...enforcementRules(kubelet),
    ...shutdownRules(kubelet),
    ...pullRules(kubelet),
    ...labelRules(shorelet),
    ...nodeIPRules(shorelet),
  ];
}

function rule(document: DocumentName, path: string, expected: string, found: unknown, remedy: string): BrokenRule {
  return { document, path: path.split('.'), expected, found, remedy };
}

function thresholdRules({
  imageGCLowThresholdPercent: low,
  imageGCHighThresholdPercent: high,
  imageMinimumGCAge,
  imageMaximumGCAge,
}: KubeletSettings): BrokenRule[] {
  const broken: BrokenRule[] = [];
  if (low >= high) {
    broken.push(
      rule(
        'kubelet',
        'imageGCLowThresholdPercent',
        `less than imageGCHighThresholdPercent (${high})`,
        low,
        'Lower it, or raise imageGCHighThresholdPercent.',
      ),
    );
  }
  if (imageMaximumGCAge > 0 && imageMaximumGCAge <= imageMinimumGCAge) {
    broken.push(
      rule(
        'kubelet',
        'imageMaximumGCAge',
        `longer than imageMinimumGCAge (${imageMinimumGCAge / 1000} s)`,
        `${imageMaximumGCAge / 1000} s`,
        'Raise it, or set it to 0 for no maximum age.',
      ),
    );
  }
  return broken;
}

/** Fields of which one is of no use without the other. */
function pairRules(kubelet: KubeletSettings): BrokenRule[] {
  const broken: BrokenRule[] = [];
  if ((kubelet.tlsCertFile === '') !== (kubelet.tlsPrivateKeyFile === '')) {
    const [missing, given] = kubelet.tlsCertFile === '' ? ['tlsCertFile', 'tlsPrivateKeyFile'] : ['tlsPrivateKeyFile', 'tlsCertFile'];
    broken.push(rule('kubelet', missing, `a file, as ${given} is set`, '', `Set ${missing} too, or neither.`));
  }
  if (kubelet.systemCgroups !== '' && kubelet.cgroupRoot === '') {
    broken.push(rule('kubelet', 'cgroupRoot', 'a cgroup, as systemCgroups is set', '', 'Set cgroupRoot, or leave systemCgroups out.'));
  }
  if (kubelet.runOnce) broken.push(rule('kubelet', 'runOnce', 'false: there is no run-once mode', true, 'Leave it out.'));
  for (const name of Object.keys(kubelet.evictionSoft)) {
    if (!(name in kubelet.evictionSoftGracePeriod)) {
      broken.push(
        rule(
          'kubelet',
          `evictionSoftGracePeriod`,
          `a grace period for the soft threshold ${name}`,
          kubelet.evictionSoftGracePeriod,
          'Add one.',
        ),
      );
    }
  }
  if (kubelet.enableSystemLogQuery && !kubelet.enableSystemLogHandler) {
    broken.push(rule('kubelet', 'enableSystemLogHandler', 'true, as enableSystemLogQuery is', false, 'Set both, or neither.'));
  }
  return broken;
}

function enforcementRules(kubelet: KubeletSettings): BrokenRule[] {
  const { enforceNodeAllocatable: levels, cgroupsPerQOS, systemReservedCgroup, kubeReservedCgroup } = kubelet;
  const broken = (expected: string, remedy: string): BrokenRule => rule('kubelet', 'enforceNodeAllocatable', expected, levels, remedy);
  const has = (prefix: string): boolean => levels.some((level) => level.startsWith(prefix));
  const result: BrokenRule[] = [];
  if (new Set(levels).size !== levels.length) result.push(broken('each level once', 'Remove the repetition.'));
  if (levels.includes('none') && levels.length > 1) result.push(broken('"none" alone, or other levels', 'Remove "none" or the others.'));
  if (!cgroupsPerQOS && levels.some((level) => level !== 'none')) {
    result.push(broken('["none"], as cgroupsPerQOS is false', 'Set it to ["none"], or cgroupsPerQOS to true.'));
  }
  if (has('system-reserved') && systemReservedCgroup === '')
    result.push(broken('no "system-reserved" without systemReservedCgroup', 'Set systemReservedCgroup.'));
  if (has('kube-reserved') && kubeReservedCgroup === '')
    result.push(broken('no "kube-reserved" without kubeReservedCgroup', 'Set kubeReservedCgroup.'));
  return result;
}

function shutdownRules({
  shutdownGracePeriod: all,
  shutdownGracePeriodCriticalPods: critical,
  shutdownGracePeriodByPodPriority: byPriority,
}: KubeletSettings): BrokenRule[] {
  const broken: BrokenRule[] = [];
  for (const [path, value] of [
    ['shutdownGracePeriod', all],
    ['shutdownGracePeriodCriticalPods', critical],
  ] as const) {
    if (value > 0 && value < 1000) broken.push(rule('kubelet', path, '0, or 1s and longer', `${value} ms`, 'Raise it.'));
  }
  if (critical > all) {
    broken.push(
      rule(
        'kubelet',
        'shutdownGracePeriodCriticalPods',
        `at most shutdownGracePeriod (${all / 1000} s)`,
        `${critical / 1000} s`,
        'Lower it.',
      ),
    );
  }
  if (byPriority.length > 0 && (all > 0 || critical > 0)) {
    broken.push(
      rule('kubelet', 'shutdownGracePeriodByPodPriority', 'nothing, as shutdownGracePeriod is set', byPriority, 'Use one of the two.'),
    );
  }
  return broken;
}

function pullRules({ serializeImagePulls, maxParallelImagePulls }: KubeletSettings): BrokenRule[] {
  if (!serializeImagePulls || maxParallelImagePulls === undefined || maxParallelImagePulls === 1) return [];
  return [
    rule(
      'kubelet',
      'maxParallelImagePulls',
      '1, as serializeImagePulls is true',
      maxParallelImagePulls,
      'Set serializeImagePulls to false.',
    ),
  ];
}

function labelRules({ nodeLabels }: ShoreletSettings): BrokenRule[] {
  const broken: BrokenRule[] = [];
  for (const [key, value] of Object.entries(nodeLabels)) {
    const at = (expected: string, found: string, remedy: string): void =>
      void broken.push({ document: 'shorelet', path: ['nodeLabels', key], expected, found, remedy });
    if (!isQualifiedName(key)) at('a label key (a name, optionally after a DNS prefix and "/")', key, 'Correct the key.');
    if (!isLabelValue(value)) at('a label value (letters, digits, "-", "_", "."; at most 63)', value, 'Correct the value.');
    if (!isAllowedNodeLabel(key)) {
      at(
        'a label that a node may give itself: outside kubernetes.io and k8s.io, below node.kubernetes.io or kubelet.kubernetes.io, or a well-known one',
        key,
        'Set it with kubectl label, or choose another prefix.',
      );
    }
  }
  return broken;
}

function nodeIPRules({ nodeIP }: ShoreletSettings): BrokenRule[] {
  const [first, second] = nodeIP;
  if (nodeIP.length > 2) return [rule('shorelet', 'nodeIP', 'one address, or one of each family', nodeIP, 'Remove the others.')];
  if (first === undefined || second === undefined || isIPv4(first) !== isIPv4(second)) return [];
  return [rule('shorelet', 'nodeIP', 'one IPv4 and one IPv6 address', nodeIP, 'Remove one of the two.')];
}
