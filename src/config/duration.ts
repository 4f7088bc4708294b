/** Go's notation for durations, as the kubelet's configuration and flags have it (Go time.ParseDuration and Duration.String). */
import { InvalidInputError } from '../lib/errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const WHOLE = /^([+-])?((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
/** Longest text that is looked at: a duration is a few characters. */
const MAX_LENGTH = 64;

/** Milliseconds of `10s`, `1m30s`, `1.5h`, `-2m` or `0`. @throws InvalidInputError */
export function parseDuration(text: string): number {
  if (/^[+-]?0$/.test(text)) return 0;
  const match = text.length <= MAX_LENGTH ? WHOLE.exec(text) : null;
  if (match === null) {
    throw new InvalidInputError(
      `${JSON.stringify(text)} is not a duration: expected numbers with a unit (ns, us, ms, s, m, h) such as "10s" or "1m30s"`,
    );
  }
  let total = 0;
  for (const [, amount, unit] of (match[2] ?? '').matchAll(PART)) total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  return match[1] === '-' ? -total : total;
}

/** `90000` is `1m30s`, `250` is `250ms`, `0` is `0s`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms === 0) return '0s';
  if (ms < 1) return `${round(ms * 1000)}us`;
  if (ms < 1000) return `${round(ms)}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = round((ms % 60_000) / 1000);
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
