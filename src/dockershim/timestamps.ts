const RFC3339 = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/;

/**
 * Nanoseconds since the epoch of the engine's RFC 3339 time, with all its digits. Go's zero time ("0001-01-01T00:00:00Z"), an empty
 * text and anything unreadable are 0n: it has not happened.
 */
export function parseTimestamp(text: string): bigint {
  const match = RFC3339.exec(text);
  if (match === null) return 0n;
  const [, seconds = '', fraction = '', zone = 'Z'] = match;
  const ms = Date.parse(seconds + zone);
  if (Number.isNaN(ms) || ms <= 0) return 0n;
  return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
