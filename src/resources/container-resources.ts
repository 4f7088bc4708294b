/** Limits of one container as the runtime takes them (kubelet pkg/kubelet/kuberuntime/kuberuntime_container_linux.go). */
import type { AnyContainerSpec, Pod } from '../api/types.ts';
import type { HugepageLimit, LinuxContainerResources } from '../runtime/types.ts';
import { milliCpuToQuota, milliCpuToShares } from './cpu.ts';
import { hugePageLimits, hugePageSizeName } from './huge-pages.ts';
import { hasPodLevelResources, milliUnits, parseResources, wholeUnits, type Resources } from './pod-resources.ts';
import { isCritical, oomScoreAdjOf, qosClassOf } from './qos.ts';

export interface ContainerResourceSettings {
  /** Enforce CPU limits (cpuCFSQuota). */
  readonly cpuCfsQuota: boolean;
  /** Milliseconds (cpuCFSQuotaPeriod). */
  readonly cpuCfsQuotaPeriodMs: number;
  /** memorySwap.swapBehavior; '' is NoSwap. */
  readonly swapBehavior: '' | 'NoSwap' | 'LimitedSwap';
}

/** What the answer depends on besides the pod. */
export interface ContainerResourceFacts {
  readonly memoryBytes: number;
  /** Bytes; 0 without swap. */
  readonly swapBytes: number;
  readonly cgroupVersion: 1 | 2;
  /** Whether swap can be limited per cgroup. */
  readonly swapController: boolean;
  /** Bytes of each huge page size of the machine. */
  readonly hugePageSizes: readonly number[];
  /** Least oom_score_adj that may be set; -1000 with CAP_SYS_RESOURCE. */
  readonly oomScoreAdjFloor: number;
}

/** @throws InvalidInputError for a resource that is no quantity */
export function linuxContainerResources(
  pod: Pod,
  container: AnyContainerSpec,
  settings: ContainerResourceSettings,
  facts: ContainerResourceFacts,
): LinuxContainerResources {
  const own = { requests: parseResources(container.resources?.requests), limits: parseResources(container.resources?.limits) };
  const podLimits: Resources = hasPodLevelResources(pod) ? parseResources(pod.spec.resources?.limits) : new Map();
  // What the container does not limit is limited by the pod: the runtime has no other way to tell the container.
  const cpuLimit = milliUnits(own.limits, 'cpu') || milliUnits(podLimits, 'cpu');
  const memoryLimit = wholeUnits(own.limits, 'memory') || wholeUnits(podLimits, 'memory');
  const cpuRequest = own.requests.has('cpu') ? milliUnits(own.requests, 'cpu') : cpuLimit;
  const swap = swapAllowance(pod, container, settings, facts);
  const periodUs = settings.cpuCfsQuotaPeriodMs * 1000;
  return {
    cpuShares: milliCpuToShares(cpuRequest),
    ...(settings.cpuCfsQuota ? { cpuPeriod: periodUs, cpuQuota: milliCpuToQuota(cpuLimit, periodUs) } : {}),
    ...(memoryLimit > 0 ? { memoryLimitInBytes: memoryLimit } : {}),
    ...swapFields(swap, memoryLimit, facts.cgroupVersion),
    oomScoreAdj: Math.max(oomScoreAdjOf(pod, container, facts.memoryBytes), facts.oomScoreAdjFloor),
    hugepageLimits: hugepageLimitsOf(podLimits, own.limits, facts.hugePageSizes),
  };
}

/** Every page size of the machine: 0 where nothing is asked for, because the kernel's default is no limit. */
function hugepageLimitsOf(podLimits: Resources, ownLimits: Resources, pageSizes: readonly number[]): HugepageLimit[] {
  const wanted = new Map([...hugePageLimits(podLimits), ...hugePageLimits(ownLimits)]);
  return pageSizes.map((pageSize) => ({ pageSize: hugePageSizeName(pageSize), limit: BigInt(wanted.get(pageSize) ?? 0) }));
}

/**
 * How much a container may swap (KEP 2400): nothing, or in LimitedSwap for Burstable containers the share of the swap that they
 * request of the memory. `undefined`: swap cannot be limited here.
 */
export function swapAllowance(
  pod: Pod,
  container: AnyContainerSpec,
  settings: ContainerResourceSettings,
  facts: ContainerResourceFacts,
): number | undefined {
  if (!facts.swapController) return undefined;
  if (settings.swapBehavior !== 'LimitedSwap' || facts.cgroupVersion !== 2 || qosClassOf(pod) !== 'Burstable' || isCritical(pod)) return 0;
  const request = wholeUnits(parseResources(container.resources?.requests), 'memory');
  const limit = wholeUnits(parseResources(container.resources?.limits), 'memory');
  if (request === 0 || request === limit || request > facts.memoryBytes) return 0;
  return Math.floor((request / facts.memoryBytes) * facts.swapBytes);
}

/** Memory and swap are limited together where there is a memory limit; else only cgroup v2 can limit the swap alone. */
function swapFields(
  allowance: number | undefined,
  memoryLimit: number,
  cgroupVersion: 1 | 2,
): Pick<LinuxContainerResources, 'memorySwapLimitInBytes' | 'unified'> {
  if (allowance === undefined) return {};
  if (memoryLimit > 0) return { memorySwapLimitInBytes: memoryLimit + allowance };
  // None at all is the pod cgroup's to say, which needs nothing of the runtime.
  return cgroupVersion === 2 && allowance > 0 ? { unified: { 'memory.swap.max': String(allowance) } } : {};
}
