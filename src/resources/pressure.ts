/** From signals and thresholds to the node's pressure (kubelet pkg/kubelet/eviction/eviction_manager.go; evicting pods is not done here). */
import type { Clock } from '../lib/clock.ts';
import { formatQuantity } from '../api/quantity.ts';
import type { ThresholdValue } from './allocatable.ts';
import type { Observation, Observations } from './signals.ts';

export type PressureType = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

const PRESSURE_OF: Readonly<Record<string, PressureType>> = {
  'memory.available': 'MemoryPressure',
  'allocatableMemory.available': 'MemoryPressure',
  'nodefs.available': 'DiskPressure',
  'nodefs.inodesFree': 'DiskPressure',
  'imagefs.available': 'DiskPressure',
  'imagefs.inodesFree': 'DiskPressure',
  'containerfs.available': 'DiskPressure',
  'containerfs.inodesFree': 'DiskPressure',
  'pid.available': 'PIDPressure',
};

export interface PressureSettings {
  /** Hard eviction thresholds by signal. */
  readonly thresholds: Readonly<Record<string, ThresholdValue | undefined>>;
  /** Pressure is reported for so long after it was last seen (evictionPressureTransitionPeriod). */
  readonly transitionPeriodMs: number;
}

/** A threshold that is crossed. */
export interface CrossedThreshold {
  readonly signal: string;
  readonly pressure: PressureType;
  readonly available: number;
  /** As configured: `100Mi`, `10%`. */
  readonly threshold: string;
}

/** Thresholds that the observations are below. Those of 0 % and 100 % are switched off. Pure. */
export function crossedThresholds(thresholds: PressureSettings['thresholds'], observations: Observations): CrossedThreshold[] {
  const crossed: CrossedThreshold[] = [];
  for (const [signal, threshold] of Object.entries(thresholds)) {
    const pressure = PRESSURE_OF[signal];
    const observation = observations.get(signal);
    if (threshold === undefined || pressure === undefined || observation === undefined) continue;
    const amount = thresholdAmount(threshold, observation);
    if (amount !== undefined && observation.available < amount) {
      crossed.push({ signal, pressure, available: observation.available, threshold: describe(threshold) });
    }
  }
  return crossed;
}

/** INVARIANT: a pressure that was seen is reported until the transition period has passed without it. */
export class PressureMonitor {
  readonly #settings: PressureSettings;
  readonly #clock: Clock;
  readonly #lastSeen = new Map<PressureType, number>();

  constructor(settings: PressureSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Takes in new observations; answers what is crossed right now. */
  observe(observations: Observations): CrossedThreshold[] {
    const crossed = crossedThresholds(this.#settings.thresholds, observations);
    for (const { pressure } of crossed) this.#lastSeen.set(pressure, this.#clock.monotonic());
    return crossed;
  }

  isUnder(pressure: PressureType): boolean {
    const seen = this.#lastSeen.get(pressure);
    return seen !== undefined && this.#clock.monotonic() - seen < this.#settings.transitionPeriodMs;
  }
}

function thresholdAmount(threshold: ThresholdValue, { capacity }: Observation): number | undefined {
  if ('quantity' in threshold) return Number(threshold.quantity.nano) / 1e9;
  return threshold.percentage > 0 && threshold.percentage < 1 ? Math.floor(capacity * threshold.percentage) : undefined;
}

function describe(threshold: ThresholdValue): string {
  return 'quantity' in threshold ? formatQuantity(threshold.quantity) : `${Math.round(threshold.percentage * 1e4) / 100}%`;
}
