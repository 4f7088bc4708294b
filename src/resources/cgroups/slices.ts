/**
 * Slices, for the systemd driver. systemd must know them: it takes back limits written behind its back when it reloads, and a
 * scope's parents. They are made by its manager's StartTransientUnit, called through `busctl`, which every systemd has; the
 * limits are then written to the files as well, because systemd sets fewer of them than cgroups have (opencontainers/cgroups
 * systemd/v1.go and v2.go do the same).
 */
import { execFile } from 'node:child_process';
import { UnavailableError } from '../../lib/errors.ts';
import { sharesToWeight } from '../cpu.ts';
import type { CgroupLimits } from './limits.ts';

/** Runs a program; rejects with its standard error. */
export type RunCommand = (program: string, args: readonly string[], signal: AbortSignal) => Promise<void>;

export const runCommand: RunCommand = (program, args, signal) =>
  new Promise((resolve, reject) => {
    execFile(program, [...args], { signal, timeout: COMMAND_LIMIT_MS }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(signal.aborted ? (signal.reason as Error) : new UnavailableError(stderr.trim() || `${program} failed`, { cause: error }));
    });
  });

/** systemd answers in milliseconds, or is stuck. */
const COMMAND_LIMIT_MS = 30_000;
const MANAGER = ['org.freedesktop.systemd1', '/org/freedesktop/systemd1', 'org.freedesktop.systemd1.Manager'];
/** systemd's value for "no limit" of a 64-bit property. */
const INFINITY = '18446744073709551615';

export class Slices {
  readonly #run: RunCommand;
  readonly #version: 1 | 2;

  constructor(run: RunCommand, version: 1 | 2) {
    this.#run = run;
    this.#version = version;
  }

  /** Starts the slice `name` below `parent`, or sets the limits of a running one. @throws UnavailableError */
  async ensure(name: string, parent: string, limits: CgroupLimits, signal: AbortSignal): Promise<void> {
    const fixed = [
      ['Description', 's', `Kubernetes ${name}`],
      ['Wants', 'as', '1', parent],
      ['DefaultDependencies', 'b', 'false'],
      ...['MemoryAccounting', 'CPUAccounting', 'IOAccounting', 'TasksAccounting'].map((property) => [property, 'b', 'true']),
    ];
    const own = sliceProperties(limits, this.#version);
    const properties = [...fixed, ...own];
    try {
      await this.#call(
        ['StartTransientUnit', 'ssa(sv)a(sa(sv))', name, 'replace', String(properties.length), ...properties.flat(), '0'],
        signal,
      );
    } catch (error) {
      if (signal.aborted || !(error instanceof Error && /already exists|already loaded|UnitExists/i.test(error.message))) throw error;
      if (own.length > 0) await this.#call(['SetUnitProperties', 'sba(sv)', name, 'true', String(own.length), ...own.flat()], signal);
    }
  }

  /** Success when systemd does not know it. @throws UnavailableError */
  async stop(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#call(['StopUnit', 'ss', name, 'replace'], signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof Error && /not loaded|NoSuchUnit|not found/i.test(error.message))) throw error;
    }
  }

  async #call(args: readonly string[], signal: AbortSignal): Promise<void> {
    // The root slice's name begins with a dash.
    await this.#run('busctl', ['--system', '--quiet', 'call', '--', ...MANAGER, ...args], signal);
  }
}

/** Properties as busctl takes them: name, signature, value. */
export function sliceProperties(
  { cpuShares, cpuQuotaUs, cpuPeriodUs, memoryBytes, swapBytes, pids }: CgroupLimits,
  version: 1 | 2,
): string[][] {
  const properties: string[][] = [];
  if (cpuShares !== undefined) {
    properties.push(version === 1 ? ['CPUShares', 't', String(cpuShares)] : ['CPUWeight', 't', String(sharesToWeight(cpuShares))]);
  }
  if (cpuQuotaUs !== undefined) {
    // systemd counts per second and in steps of 10 ms.
    const perSecond = Math.ceil(((cpuQuotaUs / (cpuPeriodUs ?? 100_000)) * 1e6) / 10_000) * 10_000;
    properties.push(['CPUQuotaPerSecUSec', 't', cpuQuotaUs > 0 ? String(perSecond) : INFINITY]);
  }
  if (memoryBytes !== undefined)
    properties.push([version === 1 ? 'MemoryLimit' : 'MemoryMax', 't', memoryBytes > 0 ? String(memoryBytes) : INFINITY]);
  if (swapBytes !== undefined && version === 2) properties.push(['MemorySwapMax', 't', String(swapBytes)]);
  if (pids !== undefined) properties.push(['TasksMax', 't', pids < 0 ? INFINITY : String(pids)]);
  return properties;
}
