/** Limits of a cgroup and the files they are written to. */
import { sharesToWeight } from '../cpu.ts';
import { hugePageSizeName } from '../huge-pages.ts';

/** Absent fields are left as they are. */
export interface CgroupLimits {
  /** v1 shares, 2 … 262144. */
  readonly cpuShares?: number;
  /** Microseconds in each period; 0 or less is no quota. */
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  /** Bytes; 0 is no limit. */
  readonly memoryBytes?: number;
  /** Bytes of swap alone; cgroup v2 only. */
  readonly swapBytes?: number;
  /** -1 is no limit. */
  readonly pids?: number;
  /** Bytes by page size in bytes; `Infinity` is no limit. */
  readonly hugePages?: ReadonlyMap<number, number>;
}

/** One write: `file` in the cgroup's directory of `controller`. */
export interface CgroupWrite {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
}

/** The writes that set the limits, in the order that the kernel needs (opencontainers/cgroups fs and fs2). */
export function cgroupWrites(limits: CgroupLimits, version: 1 | 2): CgroupWrite[] {
  return version === 1 ? writesV1(limits) : writesV2(limits);
}

function writesV1({ cpuShares, cpuQuotaUs, cpuPeriodUs, memoryBytes, pids, hugePages }: CgroupLimits): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const write = (controller: string, file: string, value: number | string): void =>
    void writes.push({ controller, file, value: String(value) });
  if (cpuShares !== undefined) write('cpu', 'cpu.shares', cpuShares);
  if (cpuPeriodUs !== undefined) write('cpu', 'cpu.cfs_period_us', cpuPeriodUs);
  if (cpuQuotaUs !== undefined) write('cpu', 'cpu.cfs_quota_us', cpuQuotaUs > 0 ? cpuQuotaUs : -1);
  if (memoryBytes !== undefined) write('memory', 'memory.limit_in_bytes', memoryBytes > 0 ? memoryBytes : -1);
  if (pids !== undefined) write('pids', 'pids.max', pids < 0 ? 'max' : pids);
  for (const [size, limit] of hugePages ?? [])
    write('hugetlb', `hugetlb.${hugePageSizeName(size)}.limit_in_bytes`, Number.isFinite(limit) ? limit : -1);
  return writes;
}

function writesV2({ cpuShares, cpuQuotaUs, cpuPeriodUs, memoryBytes, swapBytes, pids, hugePages }: CgroupLimits): CgroupWrite[] {
  const writes: CgroupWrite[] = [];
  const write = (controller: string, file: string, value: number | string): void =>
    void writes.push({ controller, file, value: String(value) });
  if (cpuShares !== undefined) write('cpu', 'cpu.weight', sharesToWeight(cpuShares));
  if (cpuQuotaUs !== undefined) write('cpu', 'cpu.max', `${cpuQuotaUs > 0 ? cpuQuotaUs : 'max'} ${cpuPeriodUs ?? 100_000}`);
  if (memoryBytes !== undefined) write('memory', 'memory.max', memoryBytes > 0 ? memoryBytes : 'max');
  if (swapBytes !== undefined) write('memory', 'memory.swap.max', swapBytes);
  if (pids !== undefined) write('pids', 'pids.max', pids < 0 ? 'max' : pids);
  for (const [size, limit] of hugePages ?? [])
    write('hugetlb', `hugetlb.${hugePageSizeName(size)}.max`, Number.isFinite(limit) ? limit : 'max');
  return writes;
}
