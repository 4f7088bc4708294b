import path from 'node:path';
import tseslint from 'typescript-eslint';
import importX from 'eslint-plugin-import-x';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import { createDoorsRule } from './test/lint/doors.mjs';

const root = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);

const timeIsAParameter = [
  { object: 'Date', property: 'now', message: 'Take a Clock (lib/clock.ts).' },
  { object: 'performance', property: 'now', message: 'Take a Clock (lib/clock.ts).' },
];

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '**/gen/**', 'coverage/**'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    plugins: { 'import-x': importX },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver({ project: path.join(root, 'tsconfig.json') })] },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/only-throw-error': 'off', // an AbortSignal's reason is rethrown as it is
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-default-export': 'error',
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
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Take a Clock (lib/clock.ts).' },
        { selector: "MemberExpression[object.name='AbortSignal'][property.name='timeout']", message: 'Use withDeadline (lib/abort.ts).' },
      ],
    },
  },
  {
    files: ['**/*.config.ts', '**/*.config.mjs'],
    rules: { 'import-x/no-default-export': 'off' },
  },
);
