/**
 * Builders for the fields of a configuration document. Each is a codec: it decodes what stands in YAML into what the program
 * uses (milliseconds, bytes, quantities) and encodes it back for `shorelet config`. The error text of every schema is the words
 * after "expected", so that one sentence can be made of it.
 *
 * In KubeletConfiguration the zero value of most fields means "not set" and the default applies (kubelet
 * pkg/kubelet/apis/config/v1beta1/defaults.go); fields that are pointers there keep their zero. `zero` says which it is.
 */
import { z } from 'zod';
import { bytes, formatBytesQuantity, formatQuantity, parseQuantity } from '../api/quantity.ts';
import { isInvalidInput } from '../lib/errors.ts';
import { formatDuration, parseDuration } from './duration.ts';

/** `unset`: a zero in the document stands for the default; `kept`: it is a value like any other. */
export type ZeroMeaning = 'unset' | 'kept';

/** Largest int32, the type of most numbers in KubeletConfiguration. */
export const MAX_INT32 = 2 ** 31 - 1;

const DURATION = 'a duration such as "10s" or "1m30s"';

/** Milliseconds. `minMs` 0 unless told. */
export function duration(
  fallback: string,
  options: { readonly zero?: ZeroMeaning; readonly minMs?: number; readonly maxMs?: number } = {},
) {
  const { zero = 'unset', minMs = 0, maxMs = Number.MAX_SAFE_INTEGER } = options;
  const expected =
    maxMs < Number.MAX_SAFE_INTEGER
      ? `${DURATION}, ${formatDuration(minMs)} to ${formatDuration(maxMs)}`
      : minMs > 0
        ? `${DURATION}, ${formatDuration(minMs)} or longer`
        : `${DURATION}, not negative`;
  return z
    .codec(z.string({ error: expected }), z.number(), {
      decode(text, context) {
        const ms = attempt(() => parseDuration(text));
        if (ms === 0 && zero === 'unset') return parseDuration(fallback);
        if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
        context.issues.push({ code: 'custom', message: expected, input: text });
        return z.NEVER;
      },
      encode: formatDuration,
    })
    .prefault(fallback);
}

/** A whole number in [min, max]. */
export function integer(fallback: number, options: { readonly zero?: ZeroMeaning; readonly min?: number; readonly max?: number } = {}) {
  const { zero = 'unset', min = 0, max = MAX_INT32 } = options;
  const expected = max < MAX_INT32 ? `a whole number from ${min} to ${max}` : `a whole number, ${min} or greater`;
  return z
    .codec(z.number({ error: expected }), z.number(), {
      decode(value, context) {
        if (value === 0 && zero === 'unset') return fallback;
        if (Number.isInteger(value) && value >= min && value <= max) return value;
        context.issues.push({ code: 'custom', message: expected, input: value });
        return z.NEVER;
      },
      encode: (value) => value,
    })
    .prefault(fallback);
}

/** A TCP port; with `zero: 'kept'` 0 means off. */
export function port(fallback: number, zero: ZeroMeaning = 'unset') {
  return integer(fallback, { zero, min: zero === 'kept' ? 0 : 1, max: 65535 });
}

export function flag(fallback: boolean) {
  return z.boolean({ error: 'true or false' }).default(fallback);
}

/** Any text; the empty one is "not set", so the fallback (often empty too) applies. */
export function text(fallback = '') {
  return z
    .codec(z.string({ error: 'text' }), z.string(), { decode: (value) => (value === '' ? fallback : value), encode: (value) => value })
    .prefault(fallback);
}

/** Text that has to satisfy `test`, unless it is empty and the fallback is too. */
export function textThat(expected: string, test: (value: string) => boolean, fallback = '') {
  return z
    .codec(z.string({ error: expected }), z.string(), {
      decode(value, context) {
        const effective = value === '' ? fallback : value;
        if (effective === '' || test(effective)) return effective;
        context.issues.push({ code: 'custom', message: expected, input: value });
        return z.NEVER;
      },
      encode: (value) => value,
    })
    .prefault(fallback);
}

/** An absolute path. */
export function absolutePath(fallback = '') {
  return textThat('an absolute path', (value) => value.startsWith('/'), fallback);
}

/** One of a few words. */
export function choice<const Word extends string>(words: readonly [Word, ...Word[]], fallback: NoInfer<Word>) {
  const expected = `one of ${words.map((word) => JSON.stringify(word)).join(', ')}`;
  return z
    .codec(z.string({ error: expected }), z.enum(words), {
      decode(value, context) {
        const found = value === '' ? fallback : words.find((word) => word === value);
        if (found !== undefined) return found;
        context.issues.push({ code: 'custom', message: expected, input: value });
        return z.NEVER;
      },
      encode: (value) => value,
    })
    .prefault(fallback);
}

/** Texts, each of which satisfies `test`. */
export function textList(expected = 'a list of texts', test: (value: string) => boolean = () => true, fallback: readonly string[] = []) {
  return z.array(z.string({ error: expected }).refine(test, { error: expected }), { error: expected }).default([...fallback]);
}

export function textMap(expected = 'a map of texts') {
  return z.record(z.string(), z.string({ error: expected }), { error: expected }).default({});
}

/** Bytes. */
export function byteSize(fallback: string) {
  const expected = 'a size such as "10Mi"';
  return z
    .codec(z.string({ error: expected }), z.number(), {
      decode(value, context) {
        const size = attempt(() => bytes(value === '' ? fallback : value));
        if (size !== undefined && size > 0) return size;
        context.issues.push({ code: 'custom', message: expected, input: value });
        return z.NEVER;
      },
      encode: formatBytesQuantity,
    })
    .prefault(fallback);
}

/** A quantity that is not negative. YAML may have it as a plain number. */
export function quantity() {
  const expected = 'a quantity such as "500m" or "1Gi", not negative';
  return z.codec(z.union([z.string(), z.number()], { error: expected }), z.custom<ReturnType<typeof parseQuantity>>(), {
    decode(value, context) {
      const parsed = attempt(() => parseQuantity(value));
      if (parsed !== undefined && parsed.nano >= 0n) return parsed;
      context.issues.push({ code: 'custom', message: expected, input: value });
      return z.NEVER;
    },
    encode: formatQuantity,
  });
}

/** Quantities by resource name; only the names given are allowed. */
export function quantityMap<const Name extends string>(names: readonly [Name, ...Name[]]) {
  const expected = `a map from ${names.join(', ')} to quantities`;
  return z.partialRecord(z.enum(names, { error: `one of ${names.join(', ')}` }), quantity(), { error: expected }).default({});
}

/** A part of a threshold's resource: an amount, or a share of the capacity (0 … 1). */
export type ThresholdValue = { readonly quantity: ReturnType<typeof parseQuantity> } | { readonly percentage: number };

/** `100Mi`, `10%` (kubelet pkg/kubelet/eviction/helpers.go parseThresholdStatement). */
export function thresholdValue() {
  const expected = 'a quantity such as "100Mi" or a percentage such as "10%"';
  return z.codec(z.string({ error: expected }), z.custom<ThresholdValue>(), {
    decode(value, context) {
      const percent = /^(\d+(?:\.\d+)?)%$/.exec(value)?.[1];
      if (percent !== undefined && Number(percent) <= 100) return { percentage: Number(percent) / 100 };
      const parsed = percent === undefined ? attempt(() => parseQuantity(value)) : undefined;
      if (parsed !== undefined && parsed.nano >= 0n) return { quantity: parsed };
      context.issues.push({ code: 'custom', message: expected, input: value });
      return z.NEVER;
    },
    encode: (value) => ('quantity' in value ? formatQuantity(value.quantity) : `${Math.round(value.percentage * 1e4) / 1e2}%`),
  });
}

/** The answer of a parser, or `undefined` when it says the input is wrong. */
function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (isInvalidInput(error)) return undefined;
    throw error;
  }
}
