import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One line of a slot's ledger: something that was made and has to go again. */
export type LedgerEntry =
  | { readonly kind: 'process'; readonly name: string; readonly pid: number; readonly startTime: string }
  | { readonly kind: 'link'; readonly name: string }
  | { readonly kind: 'dir'; readonly path: string };

/** Environment variable that marks the processes of a test bed with its slot's name. */
export const processMark = 'SHORELET_TEST_BED';

/** The name of a slot. */
export function slotName(number: number): string {
  return `shl${number.toString()}`;
}

/** The folder of a slot's sockets, the same for every user and cache folder. */
export function slotRunDir(number: number): string {
  return `/run/shorelet-test/${number.toString()}`;
}

/** Reads back what a slot's owner recorded. */
export async function readLedger(number: number): Promise<LedgerEntry[]> {
  const text = await readFile(join(slotRunDir(number), 'ledger.jsonl'), 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      const entry = JSON.parse(line) as unknown;
      return isLedgerEntry(entry) ? [entry] : [];
    } catch {
      // The last line of a writer that was killed in the middle of it.
      return [];
    }
  });
}

function isLedgerEntry(value: unknown): value is LedgerEntry {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  return value.kind === 'process' || value.kind === 'link' || value.kind === 'dir';
}
