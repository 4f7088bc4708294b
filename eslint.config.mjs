import path from 'node:path';
import tseslint from 'typescript-eslint';
import { createNoCyclesRule } from './test/lint/cycles.mjs';
import { createDoorsRule } from './test/lint/doors.mjs';

const root = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);

const timeIsAParameter = [
  { object: 'Date', property: 'now', message: 'Take a Clock (lib/clock.ts).' },
  { object: 'performance', property: 'now', message: 'Take a Clock (lib/clock.ts).' },
];

const noDefaultExport = { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' };

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '**/gen/**', 'coverage/**'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    plugins: { tree: { rules: { 'no-cycle': createNoCyclesRule(root) } } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/only-throw-error': 'off', // an AbortSignal's reason is rethrown as it is
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      'tree/no-cycle': 'error',
      'no-restricted-syntax': ['error', noDefaultExport],
      'max-lines': ['error', { max: 400 }],
      'no-empty': ['error', { allowEmptyCatch: false }],
    },
  },
  {
    files: ['src/**/*.ts'],
    plugins: { shorelet: { rules: { doors: createDoorsRule(root) } } },
    rules: { 'shorelet/doors': 'error' },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/lib/clock.ts', 'src/lib/fake-clock.ts'],
    rules: {
      'no-restricted-properties': ['error', ...timeIsAParameter],
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'performance'],
      'no-restricted-syntax': [
        'error',
        noDefaultExport,
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Take a Clock (lib/clock.ts).' },
        { selector: "MemberExpression[object.name='AbortSignal'][property.name='timeout']", message: 'Use withDeadline (lib/abort.ts).' },
      ],
    },
  },
  {
    files: ['**/*.config.ts', '**/*.config.mjs'],
    rules: { 'no-restricted-syntax': 'off' },
  },
);
