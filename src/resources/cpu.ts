/** CPU amounts in the units of cgroups (kubelet pkg/kubelet/cm/helpers_linux.go). */

/** Kernel limits of `cpu.shares`. */
export const MIN_SHARES = 2;
export const MAX_SHARES = 262_144;
const SHARES_PER_CPU = 1024;
/** Shortest quota that the kernel takes, µs. */
const MIN_QUOTA_US = 1000;

export function milliCpuToShares(milliCpu: number): number {
  return Math.min(Math.max(Math.floor((milliCpu * SHARES_PER_CPU) / 1000), MIN_SHARES), MAX_SHARES);
}

/** Microseconds of CPU in each period of `periodUs`; 0 (no quota) for 0. */
export function milliCpuToQuota(milliCpu: number, periodUs: number): number {
  return milliCpu === 0 ? 0 : Math.max(Math.floor((milliCpu * periodUs) / 1000), MIN_QUOTA_US);
}

/** cgroup v2's `cpu.weight` (1 … 10000) for v1 shares. */
export function sharesToWeight(shares: number): number {
  return shares >= MAX_SHARES ? 10_000 : 1 + Math.floor(((shares - MIN_SHARES) * 9999) / (MAX_SHARES - MIN_SHARES));
}
