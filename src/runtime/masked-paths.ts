/** What of /proc and /sys containers may not see or write (upstream pkg/securitycontext/util.go). */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

const ALWAYS_MASKED: readonly string[] = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];

export const READONLY_PATHS: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Masked paths of this machine: each processor may have a `thermal_throttle` that would tell what the neighbours do. Read once, at start. */
export function maskedPathsOf(cpuDirectory = '/sys/devices/system/cpu'): readonly string[] {
  if (!existsSync(cpuDirectory)) return ALWAYS_MASKED;
  const throttles = readdirSync(cpuDirectory)
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => path.join(cpuDirectory, name, 'thermal_throttle'))
    .filter((throttle) => existsSync(throttle));
  return [...ALWAYS_MASKED, ...throttles];
}
