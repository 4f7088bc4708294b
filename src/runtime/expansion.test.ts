import { expect, test } from 'vitest';
import { expand, lookupIn } from './expansion.ts';

const variables = new Map([
  ['VAR_A', 'A'],
  ['VAR_B', 'B'],
  ['VAR_REF', '$(VAR_A)'],
  ['VAR_EMPTY', ''],
]);

test.each([
  ['$(VAR_A)', 'A'],
  ['___$(VAR_B)___', '___B___'],
  ['$(VAR_A)$(VAR_B)', 'AB'],
  ['$(VAR_REF)', '$(VAR_A)'],
  ['$(VAR_EMPTY)|', '|'],
  ['$(NOT_THERE)', '$(NOT_THERE)'],
  ['$$(VAR_A)', '$(VAR_A)'],
  ['$$$(VAR_A)', '$A'],
  ['$$$$(VAR_A)', '$$(VAR_A)'],
  ['$(VAR_A', '$(VAR_A'],
  ['$(', '$('],
  ['$()', '$()'],
  ['$', '$'],
  ['cost: 5$', 'cost: 5$'],
  ['$VAR_A', '$VAR_A'],
  ['$x$(VAR_A)', '$xA'],
  ['$😀$(VAR_A)', '$😀A'],
  ['$($(VAR_B))', '$($(VAR_B))'],
  ['$(VAR_A)$', 'A$'],
  ['\n$(VAR_A)\n', '\nA\n'],
  ['', ''],
])('%j becomes %j', (text, expected) => {
  expect(expand(text, lookupIn(variables))).toBe(expected);
});

test('the first map that has the name wins, even with an empty value', () => {
  expect(
    expand(
      '$(A)$(B)',
      lookupIn(
        new Map([['A', '']]),
        new Map([
          ['A', 'x'],
          ['B', 'y'],
        ]),
      ),
    ),
  ).toBe('y');
});
