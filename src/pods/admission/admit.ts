import { matchesNodeAffinity } from './node-affinity.ts';
import { conflictsOnHostPorts } from './host-ports.ts';
import { insufficientResources } from './resource-fit.ts';
import { forbiddenSysctl } from './sysctls.ts';
import { isStaticPod } from '../pod-kinds.ts';
import { toleratesNoExecute } from './taints.ts';
import type { AdmissionInput, Rejection } from './types.ts';

type Check = (input: AdmissionInput) => Rejection | undefined;

/** In the kubelet's order: the first that refuses says why. */
const CHECKS: readonly Check[] = [
  checkSysctls,
  checkOsLabel,
  checkOsField,
  checkSupplementalGroupsPolicy,
  insufficientResources,
  checkNodeAffinity,
  checkNodeName,
  checkHostPorts,
  checkTaints,
];

/** Whether this node takes the pod; `undefined`: it does. Pure (kubelet pkg/kubelet/lifecycle/predicate.go, sysctl/allowlist.go). */
export function admit(input: AdmissionInput): Rejection | undefined {
  for (const check of CHECKS) {
    const rejection = check(input);
    if (rejection !== undefined) return rejection;
  }
  return undefined;
}

function checkSysctls({ pod, node }: AdmissionInput): Rejection | undefined {
  const message = forbiddenSysctl(pod, node.allowedUnsafeSysctls);
  return message === undefined ? undefined : { reason: 'SysctlForbidden', message: `forbidden sysctl: ${message}` };
}

function checkOsLabel({ pod }: AdmissionInput): Rejection | undefined {
  const wanted = pod.metadata.labels?.['kubernetes.io/os'];
  if (wanted === undefined || wanted === 'linux') return undefined;
  return {
    reason: 'PodOSSelectorNodeLabelDoesNotMatch',
    message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
  };
}

function checkOsField({ pod }: AdmissionInput): Rejection | undefined {
  if (pod.spec.os === undefined || pod.spec.os.name === 'linux') return undefined;
  return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
}

function checkSupplementalGroupsPolicy({ pod, node }: AdmissionInput): Rejection | undefined {
  if (pod.spec.securityContext?.supplementalGroupsPolicy !== 'Strict' || node.supportsSupplementalGroupsPolicy) return undefined;
  return { reason: 'SupplementalGroupsPolicyNotSupported', message: 'SupplementalGroupsPolicy=Strict is not supported in this node' };
}

function checkNodeAffinity({ pod, node }: AdmissionInput): Rejection | undefined {
  return matchesNodeAffinity(pod, node) ? undefined : predicate('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
}

function checkNodeName({ pod, node }: AdmissionInput): Rejection | undefined {
  const { nodeName } = pod.spec;
  return nodeName === undefined || nodeName === '' || nodeName === node.name
    ? undefined
    : predicate('NodeName', "node(s) didn't match the requested node name");
}

function checkHostPorts({ pod, others }: AdmissionInput): Rejection | undefined {
  return conflictsOnHostPorts(pod, others)
    ? predicate('NodePorts', "node(s) didn't have free ports for the requested pod ports")
    : undefined;
}

function checkTaints({ pod, node }: AdmissionInput): Rejection | undefined {
  if (isStaticPod(pod) || toleratesNoExecute(pod, node.taints)) return undefined;
  return predicate('TaintToleration', "node(s) had taints that the pod didn't tolerate");
}

function predicate(reason: string, description: string): Rejection {
  return { reason, message: `Predicate ${reason} failed: ${description}` };
}
