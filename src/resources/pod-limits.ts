/** Limits of a pod's cgroup (kubelet pkg/kubelet/cm/helpers_linux.go ResourceConfigForPod). */
import type { Pod } from '../api/types.ts';
import type { CgroupLimits } from './cgroups/limits.ts';
import { swapAllowance, type ContainerResourceFacts, type ContainerResourceSettings } from './container-resources.ts';
import { MIN_SHARES, milliCpuToQuota, milliCpuToShares } from './cpu.ts';
import { hugePageLimits } from './huge-pages.ts';
import { milliUnits, parseResources, podLimits, podRequests, wholeUnits } from './pod-resources.ts';
import { qosClassOf } from './qos.ts';

export interface PodLimitSettings extends ContainerResourceSettings {
  /** -1: no limit for each pod (podPidsLimit). */
  readonly podPidsLimit: number;
}

/** @throws InvalidInputError for a resource that is no quantity */
export function podCgroupLimits(pod: Pod, settings: PodLimitSettings, facts: ContainerResourceFacts): CgroupLimits {
  const requests = podRequests(pod);
  const limits = podLimits(pod);
  const qosClass = qosClassOf(pod);
  const all = qosClass === 'Guaranteed';
  const periodUs = settings.cpuCfsQuotaPeriodMs * 1000;
  const limitsCpu = all || (qosClass === 'Burstable' && everyContainerLimits(pod, 'cpu'));
  const limitsMemory = all || (qosClass === 'Burstable' && everyContainerLimits(pod, 'memory'));
  const quotaUs = settings.cpuCfsQuota ? milliCpuToQuota(milliUnits(limits, 'cpu'), periodUs) : -1;
  const swapBytes = podSwap(pod, settings, facts);
  return {
    cpuShares: qosClass === 'BestEffort' ? MIN_SHARES : milliCpuToShares(milliUnits(requests, 'cpu')),
    ...(limitsCpu ? { cpuQuotaUs: quotaUs, cpuPeriodUs: periodUs } : {}),
    ...(limitsMemory ? { memoryBytes: wholeUnits(limits, 'memory') } : {}),
    ...(swapBytes === undefined ? {} : { swapBytes }),
    ...(settings.podPidsLimit > 0 ? { pids: settings.podPidsLimit } : {}),
    hugePages: new Map([...facts.hugePageSizes.map((size) => [size, 0] as const), ...hugePageLimits(requests)]),
  };
}

/** A limit on the pod is the sum of its containers' only when each has one, or when the pod itself has one. */
function everyContainerLimits(pod: Pod, name: 'cpu' | 'memory'): boolean {
  if (milliUnits(parseResources(pod.spec.resources?.limits), name) > 0) return true;
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].every(
    (container) => milliUnits(parseResources(container.resources?.limits), name) > 0,
  );
}

/** The sum for the containers, so that those without a limit of their own are held too. */
function podSwap(pod: Pod, settings: PodLimitSettings, facts: ContainerResourceFacts): number | undefined {
  if (facts.cgroupVersion === 1) return undefined;
  const allowances = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map((container) =>
    swapAllowance(pod, container, settings, facts),
  );
  return allowances.includes(undefined) ? undefined : allowances.reduce<number>((sum, allowance) => sum + (allowance ?? 0), 0);
}
