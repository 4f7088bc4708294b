/** Names of huge page sizes: `hugepages-2Mi` in the API, `2MB` in cgroups and CRI. */
import { bytes, formatBytesQuantity } from '../api/quantity.ts';
import { InvalidInputError, isInvalidInput } from '../lib/errors.ts';
import { isHugePages, wholeUnits, type Resources } from './pod-resources.ts';

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'] as const;

/** `2MB` for 2097152. */
export function hugePageSizeName(pageSize: number): string {
  let [size, unit] = [pageSize, 0];
  while (size % 1024 === 0 && size > 0 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size}${UNITS[unit] ?? 'B'}`;
}

/** `hugepages-2Mi` for 2097152. */
export function hugePageResource(pageSize: number): string {
  return `hugepages-${formatBytesQuantity(pageSize)}`;
}

/** Bytes for each page size (in bytes) that the resources name; names that are no size are passed over. */
export function hugePageLimits(resources: Resources): Map<number, number> {
  const limits = new Map<number, number>();
  for (const name of resources.keys()) {
    const pageSize = isHugePages(name) ? pageSizeOf(name) : undefined;
    if (pageSize !== undefined) limits.set(pageSize, (limits.get(pageSize) ?? 0) + wholeUnits(resources, name));
  }
  return limits;
}

function pageSizeOf(resource: string): number | undefined {
  try {
    const size = bytes(resource.slice('hugepages-'.length));
    if (size <= 0) throw new InvalidInputError('not a page size');
    return size;
  } catch (error) {
    if (isInvalidInput(error)) return undefined;
    throw error;
  }
}
