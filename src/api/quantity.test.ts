import { expect, test } from 'vitest';
import fc from 'fast-check';
import {
  addQuantities,
  bytes,
  compareQuantities,
  cpuMillis,
  divideQuantity,
  formatBytesQuantity,
  formatMillisQuantity,
  formatQuantity,
  parseQuantity,
  subtractQuantities,
} from './quantity.ts';

// Pairs taken from the behaviour of apimachinery's resource.MustParse(x).String().
test.each([
  ['0', '0'],
  ['0Ki', '0'],
  ['100m', '100m'],
  ['1000m', '1'],
  ['1500m', '1500m'],
  ['0.1', '100m'],
  ['.5', '500m'],
  ['5.', '5'],
  ['+2', '2'],
  ['-2', '-2'],
  ['1000', '1k'],
  ['1500', '1500'],
  ['1e3', '1e3'],
  ['12E2', '1200'],
  ['1E', '1E'],
  ['1000E', '1000E'],
  ['1024Ki', '1Mi'],
  ['1536Mi', '1536Mi'],
  ['1.5Gi', '1536Mi'],
  ['512Ki', '512Ki'],
  ['1Ei', '1Ei'],
  ['1000Ki', '1000Ki'],
  ['0.5Ki', '512'],
  ['0.0001Ki', '102400u'],
  ['1n', '1n'],
  ['0.1n', '1n'],
  ['-0.1n', '-1n'],
  ['1u', '1u'],
  ['16384256Ki', '16384256Ki'],
  ['0.001Mi', '1048576m'],
  ['1.1Ei', '1268213655067531673600m'],
  ['1e21', '1e21'],
  ['1e4', '10e3'],
  ['1e-10', '1e-9'],
  ['16Ei', '9223372036854775807'],
])('%s is written as %s', (text, canonical) => {
  expect(formatQuantity(parseQuantity(text))).toBe(canonical);
});

test.each(['', ' ', '1 ', 'm', '.', '1mm', '1KI', '1ki', '1i', '1e', '1e99999', '0x10', 'NaN', 'Infinity', '1,5', '--1', '9'.repeat(200)])(
  'refuses %j',
  (text) => {
    expect(() => parseQuantity(text)).toThrow(/is not a quantity/);
  },
);

test('CPU is read in millicores, rounded up', () => {
  expect([cpuMillis('1'), cpuMillis('250m'), cpuMillis('0.0001'), cpuMillis(2), cpuMillis('1500u')]).toEqual([1000, 250, 1, 2000, 2]);
});

test('memory is read in bytes, rounded up', () => {
  expect([bytes('1Ki'), bytes('1k'), bytes('100m'), bytes('1.5Gi'), bytes('12e6')]).toEqual([1024, 1000, 1, 1610612736, 12000000]);
});

test('numbers become the shortest exact text', () => {
  expect([formatBytesQuantity(16384256 * 1024), formatBytesQuantity(1000), formatBytesQuantity(1024n ** 4n)]).toEqual([
    '16384256Ki',
    '1k',
    '1Ti',
  ]);
  expect([formatMillisQuantity(250), formatMillisQuantity(2000), formatMillisQuantity(1940)]).toEqual(['250m', '2', '1940m']);
});

test('arithmetic is exact and keeps the format of the first amount', () => {
  const gib = parseQuantity('1Gi');
  expect(formatQuantity(addQuantities(gib, parseQuantity('1Mi')))).toBe('1025Mi');
  expect(formatQuantity(addQuantities(parseQuantity('0'), gib))).toBe('1Gi');
  expect(formatQuantity(subtractQuantities(parseQuantity('100m'), parseQuantity('1')))).toBe('-900m');
  expect(compareQuantities(parseQuantity('1024Mi'), gib)).toBe(0);
  expect(compareQuantities(parseQuantity('1G'), gib)).toBeLessThan(0);
});

test('a divisor rounds up', () => {
  expect(divideQuantity(parseQuantity('1500m'), parseQuantity('1'))).toBe(2n);
  expect(divideQuantity(parseQuantity('64Mi'), parseQuantity('1Mi'))).toBe(64n);
  expect(() => divideQuantity(parseQuantity('1'), parseQuantity('0'))).toThrow(/divided/);
});

test('the canonical text parses to the same amount and stays as it is', () => {
  const suffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'e3', 'e-3', 'E9'];
  fc.assert(
    fc.property(fc.integer({ min: -99999, max: 99999 }), fc.nat(9999), fc.constantFrom(...suffixes), (whole, fraction, suffix) => {
      const parsed = parseQuantity(`${whole}.${fraction}${suffix}`);
      const text = formatQuantity(parsed);
      const again = parseQuantity(text);
      expect(again.nano).toBe(parsed.nano);
      expect(formatQuantity(again)).toBe(text);
    }),
  );
});
