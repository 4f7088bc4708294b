/** Capacity of the node and what of it pods may have (kubelet pkg/kubelet/cm/node_container_manager_linux.go, pkg/kubelet/nodestatus/setters.go). */
import {
  bytes,
  cpuMillis,
  formatBytesQuantity,
  formatMillisQuantity,
  formatQuantity,
  subtractQuantities,
  type Quantity,
} from '../api/quantity.ts';
import type { CgroupLimits } from './cgroups/limits.ts';
import { milliCpuToShares } from './cpu.ts';
import { hugePageResource } from './huge-pages.ts';
import type { MachineFacts } from './machine.ts';
import { parseResources, wholeUnits, milliUnits } from './pod-resources.ts';

export type ThresholdValue = { readonly quantity: Quantity } | { readonly percentage: number };

type Reserved = Readonly<Partial<Record<'cpu' | 'memory' | 'ephemeral-storage' | 'pid', Quantity>>>;

export interface AllocatableSettings {
  readonly maxPods: number;
  /** 0: no such limit. */
  readonly podsPerCore: number;
  readonly systemReserved: Reserved;
  readonly kubeReserved: Reserved;
  /** Hard eviction thresholds by signal; memory and nodefs are taken off what is allocatable. */
  readonly evictionHard: Readonly<Record<string, ThresholdValue | undefined>>;
  /** Count ephemeral storage (localStorageCapacityIsolation). */
  readonly ephemeralStorage: boolean;
  /** Replaces what the machine has. */
  readonly capacity: Readonly<Partial<Record<'cpu' | 'memory' | 'ephemeral-storage' | 'pods', Quantity>>>;
}

/** Resource lists of the API. */
export interface NodeResources {
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
}

/** Pure. `storageBytes`: size of the file system of the root directory; `undefined` when it cannot be told. */
export function nodeResources(machine: MachineFacts, storageBytes: number | undefined, settings: AllocatableSettings): NodeResources {
  const capacity = capacityOf(machine, storageBytes, settings);
  const allocatable: Record<string, string> = {};
  for (const [name, amount] of parseResources(capacity)) {
    const left = subtractQuantities(amount, { nano: reservedNano(name, amount, settings), format: amount.format });
    allocatable[name] = formatQuantity(left.nano < 0n ? { ...left, nano: 0n } : left);
  }
  // Huge pages are memory that nothing else can have.
  const hugePages = machine.hugePages.reduce((sum, { pageSize, count }) => sum + pageSize * count, 0);
  allocatable['memory'] = formatBytesQuantity(Math.max(0, bytes(allocatable['memory'] ?? '0') - hugePages));
  return { capacity, allocatable };
}

/** Limits of all pods together: the capacity less the reservations; the eviction thresholds are left to eviction. */
export function nodeCgroupLimits(
  { capacity }: Pick<NodeResources, 'capacity'>,
  settings: AllocatableSettings,
  enforce: boolean,
): CgroupLimits {
  const reserved = (name: 'cpu' | 'memory'): number => {
    const sum = enforce ? sumReserved(name, settings) : 0n;
    return Number(name === 'cpu' ? sum / 1_000_000n : sum / NANO);
  };
  return {
    cpuShares: milliCpuToShares(Math.max(0, cpuMillis(capacity['cpu'] ?? '0') - reserved('cpu'))),
    memoryBytes: Math.max(0, bytes(capacity['memory'] ?? '0') - reserved('memory')),
  };
}

const NANO = 1_000_000_000n;

function capacityOf(machine: MachineFacts, storageBytes: number | undefined, settings: AllocatableSettings): Record<string, string> {
  const override = (name: keyof AllocatableSettings['capacity'], own: string): string => {
    const replaced = settings.capacity[name];
    return replaced === undefined ? own : formatQuantity(replaced);
  };
  const cpu = override('cpu', formatMillisQuantity(machine.cpuCount * 1000));
  const perCore =
    settings.podsPerCore > 0 ? Math.min(Math.floor(cpuMillis(cpu) / 1000) * settings.podsPerCore, settings.maxPods) : settings.maxPods;
  const capacity: Record<string, string> = {
    cpu,
    memory: override('memory', formatBytesQuantity(machine.memoryBytes)),
    pods: override('pods', String(perCore)),
  };
  if (settings.ephemeralStorage && storageBytes !== undefined) {
    capacity['ephemeral-storage'] = override('ephemeral-storage', formatBytesQuantity(storageBytes));
  }
  for (const { pageSize, count } of machine.hugePages) capacity[hugePageResource(pageSize)] = formatBytesQuantity(pageSize * count);
  return capacity;
}

/** Which threshold protects which resource. */
const THRESHOLD_OF: Readonly<Record<string, string>> = { memory: 'memory.available', 'ephemeral-storage': 'nodefs.available' };

function reservedNano(name: string, capacity: Quantity, settings: AllocatableSettings): bigint {
  const threshold = settings.evictionHard[THRESHOLD_OF[name] ?? ''];
  const kept = threshold === undefined ? 0n : thresholdNano(threshold, capacity);
  return kept + (name === 'cpu' || name === 'memory' || name === 'ephemeral-storage' ? sumReserved(name, settings) : 0n);
}

function sumReserved(name: keyof Reserved, { systemReserved, kubeReserved }: AllocatableSettings): bigint {
  return (systemReserved[name]?.nano ?? 0n) + (kubeReserved[name]?.nano ?? 0n);
}

/** A share of the capacity is cut to whole units, as the kubelet does. */
function thresholdNano(threshold: ThresholdValue, capacity: Quantity): bigint {
  if ('quantity' in threshold) return threshold.quantity.nano;
  return BigInt(Math.floor(Number(capacity.nano / NANO) * threshold.percentage)) * NANO;
}

/** Millicores and bytes of an allocatable list, for what counts with numbers. */
export function allocatableNumbers(list: Readonly<Record<string, string>>): {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly pods: number;
} {
  const parsed = parseResources(list);
  return { cpuMillis: milliUnits(parsed, 'cpu'), memoryBytes: wholeUnits(parsed, 'memory'), pods: wholeUnits(parsed, 'pods') };
}
