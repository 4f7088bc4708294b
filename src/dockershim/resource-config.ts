import type { LinuxContainerResources } from '../runtime/types.ts';
import type { EngineResources } from './engine.ts';

/**
 * CRI's resources in the engine's fields; what is absent stays absent. CPU by period and quota, never NanoCpus, which the engine lets
 * nobody change to a quota later. Without a limit for swap of its own a container gets none beyond its memory: the engine's default
 * would give it as much again.
 */
export function engineResources(resources: LinuxContainerResources | undefined): EngineResources {
  if (resources === undefined) return {};
  const { cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems, memoryLimitInBytes } = resources;
  const memorySwap = resources.memorySwapLimitInBytes || memoryLimitInBytes;
  return {
    ...(cpuShares ? { CpuShares: cpuShares } : {}),
    ...(cpuPeriod ? { CpuPeriod: cpuPeriod } : {}),
    ...(cpuQuota ? { CpuQuota: cpuQuota } : {}),
    ...(cpusetCpus ? { CpusetCpus: cpusetCpus } : {}),
    ...(cpusetMems ? { CpusetMems: cpusetMems } : {}),
    ...(memoryLimitInBytes ? { Memory: memoryLimitInBytes } : {}),
    ...(memorySwap ? { MemorySwap: memorySwap } : {}),
  };
}

/** The other way round, for a container's status. */
export function criResources(resources: EngineResources & { readonly OomScoreAdj?: number }): LinuxContainerResources {
  const { CpuShares, CpuPeriod, CpuQuota, CpusetCpus, CpusetMems, Memory, MemorySwap, OomScoreAdj } = resources;
  return {
    ...(CpuShares === undefined ? {} : { cpuShares: CpuShares }),
    ...(CpuPeriod === undefined ? {} : { cpuPeriod: CpuPeriod }),
    ...(CpuQuota === undefined ? {} : { cpuQuota: CpuQuota }),
    ...(CpusetCpus === undefined ? {} : { cpusetCpus: CpusetCpus }),
    ...(CpusetMems === undefined ? {} : { cpusetMems: CpusetMems }),
    ...(Memory === undefined ? {} : { memoryLimitInBytes: Memory }),
    ...(MemorySwap === undefined ? {} : { memorySwapLimitInBytes: MemorySwap }),
    ...(OomScoreAdj === undefined ? {} : { oomScoreAdj: OomScoreAdj }),
  };
}
