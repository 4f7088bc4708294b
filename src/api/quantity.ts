/**
 * Resource quantities with the arithmetic and canonical form of apimachinery pkg/api/resource/quantity.go: exact to one
 * billionth, finer values rounded away from zero. Held as a bigint of nano units, so nothing is lost on the way.
 */
import { InvalidInputError } from '../lib/errors.ts';

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

/** An exact amount. `nano` is the value times 10⁹; the format is how it was written and how it is written again. */
export interface Quantity {
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

const NANO = 1_000_000_000n;
const NANO_PER_MILLI = 1_000_000n;

const DECIMAL_EXPONENTS: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const BINARY_EXPONENTS: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };
const DECIMAL_SUFFIXES = new Map(Object.entries(DECIMAL_EXPONENTS).map(([suffix, exponent]) => [exponent, suffix]));
const BINARY_SUFFIXES = new Map(Object.entries(BINARY_EXPONENTS).map(([suffix, exponent]) => [exponent, suffix]));

const QUANTITY = /^([+-]?)(\d*)(?:\.(\d*))?(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,4}))?$/;
/** Longest text that is looked at: a quantity is a few characters, and bigint arithmetic on megabytes of digits is slow. */
const MAX_LENGTH = 128;
/** Decimal exponents beyond this cannot come from a real resource; the bound keeps 10ⁿ small. */
const MAX_EXPONENT = 512;
/** `E`. */
const LARGEST_DECIMAL_SUFFIX = 18;
/** Binary amounts are capped like upstream's, at 2⁶³ − 1. */
const MAX_BINARY_NANO = (2n ** 63n - 1n) * NANO;

/** Parses a quantity of the API (`100m`, `1.5Gi`, `2e3`, or a JSON number). @throws InvalidInputError */
export function parseQuantity(text: string | number): Quantity {
  const source = String(text);
  const match = source.length <= MAX_LENGTH ? QUANTITY.exec(source) : null;
  const [, sign, whole = '', fraction = '', suffix = '', exponent] = match ?? [];
  if (match === null || (whole === '' && fraction === '')) throw invalid(source);
  const negative = sign === '-';
  const digits = BigInt(whole + fraction);
  const binary = BINARY_EXPONENTS[suffix];
  if (binary !== undefined) return parseBinary(digits << BigInt(binary), fraction.length, negative);
  const scale = exponent === undefined ? (DECIMAL_EXPONENTS[suffix] ?? 0) : Number(exponent);
  if (Math.abs(scale) > MAX_EXPONENT) throw invalid(source);
  const nano = scaleUp(digits, scale - fraction.length + 9);
  return { nano: negative ? -nano : nano, format: exponent === undefined ? 'DecimalSI' : 'DecimalExponent' };
}

/** The canonical text: no fraction, the largest suffix that loses nothing. */
export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return '0';
  const sign = nano < 0n ? '-' : '';
  const amount = nano < 0n ? -nano : nano;
  if (format === 'BinarySI' && amount >= 1024n * NANO && amount % NANO === 0n) return sign + formatBinary(amount / NANO);
  const exponential = format === 'DecimalExponent';
  const [digits, exponent] = withoutZeros(amount, exponential ? MAX_EXPONENT : LARGEST_DECIMAL_SUFFIX);
  if (!exponential) return `${sign}${digits}${DECIMAL_SUFFIXES.get(exponent) ?? ''}`;
  return exponent === 0 ? `${sign}${digits}` : `${sign}${digits}e${exponent}`;
}

/** Milli units, rounded up: a CPU amount in millicores. @throws InvalidInputError */
export function cpuMillis(text: string | number): number {
  return Number(divideUp(parseQuantity(text).nano, NANO_PER_MILLI));
}

/** Whole units, rounded up: bytes of memory or storage, a count of pods or devices. @throws InvalidInputError */
export function bytes(text: string | number): number {
  return Number(divideUp(parseQuantity(text).nano, NANO));
}

/** Bytes in binary form: `16384256Ki`. */
export function formatBytesQuantity(amount: number | bigint): string {
  return formatQuantity({ nano: BigInt(amount) * NANO, format: 'BinarySI' });
}

/** Millicores: `250m`, `2`. */
export function formatMillisQuantity(millis: number | bigint): string {
  return formatQuantity({ nano: BigInt(millis) * NANO_PER_MILLI, format: 'DecimalSI' });
}

/** Sum in the format of the first that is not zero. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}

/** `a` less `b`; may be negative. */
export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format };
}

/** Negative, 0 or positive, for sorting. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0;
}

/** `a` in whole multiples of `divisor`, rounded up (the downward API's resource fields). @throws InvalidInputError when the divisor is 0 */
export function divideQuantity(a: Quantity, divisor: Quantity): bigint {
  if (divisor.nano === 0n) throw new InvalidInputError('a quantity cannot be divided by "0"');
  return divideUp(a.nano, divisor.nano);
}

function parseBinary(shifted: bigint, decimals: number, negative: boolean): Quantity {
  const uncapped = scaleUp(shifted, 9 - decimals);
  const nano = uncapped > MAX_BINARY_NANO ? MAX_BINARY_NANO : uncapped;
  // Below one there is no binary suffix; upstream changes the format for the same reason.
  return { nano: negative ? -nano : nano, format: nano < NANO && nano > 0n ? 'DecimalSI' : 'BinarySI' };
}

/** `digits` times 10 to `exponent`, rounded up (digits are not negative). */
function scaleUp(digits: bigint, exponent: number): bigint {
  return exponent >= 0 ? digits * 10n ** BigInt(exponent) : divideUp(digits, 10n ** BigInt(-exponent));
}

/** Quotient rounded away from zero. */
function divideUp(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  if (value % divisor === 0n) return quotient;
  return value < 0n === divisor < 0n ? quotient + 1n : quotient - 1n;
}

function formatBinary(whole: bigint): string {
  let exponent = 0;
  let rest = whole;
  while (exponent < 60 && rest % 1024n === 0n) {
    rest /= 1024n;
    exponent += 10;
  }
  return `${rest}${BINARY_SUFFIXES.get(exponent) ?? ''}`;
}

/** Nano units as digits and an exponent that is a multiple of three, as large as it can be. */
function withoutZeros(amount: bigint, maxExponent: number): readonly [digits: bigint, exponent: number] {
  let digits = amount;
  let exponent = -9;
  while (exponent < maxExponent && digits % 1000n === 0n) {
    digits /= 1000n;
    exponent += 3;
  }
  return [digits, exponent];
}

function invalid(source: string): InvalidInputError {
  return new InvalidInputError(
    `${JSON.stringify(source.slice(0, MAX_LENGTH))} is not a quantity: expected a number with an optional suffix n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent`,
  );
}
