/**
 * The doors of the house as a lint rule: the tables of docs/imports.md say which room may import which room and which package.
 */
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';

/** Open to every room. */
const COMMON_ROOMS = new Set(['lib', 'api']);
const COMMON_FILES = new Set(['runtime/types.ts', 'pods/types.ts']);

/** Rows of the markdown table under `heading`, as a map from the first cell to the comma-separated second. */
export function readTable(markdown, heading) {
  const section = markdown.split(/^## /m).find((part) => part.startsWith(heading));
  if (section === undefined) throw new Error(`docs/imports.md has no section "${heading}"`);
  const rows = section.split('\n').filter((line) => line.startsWith('|') && !line.startsWith('| ---'));
  return new Map(
    rows.slice(1).map((line) => {
      const [, key, value] = line.split('|').map((cell) => cell.trim());
      return [
        key,
        new Set(
          value
            .split(',')
            .map((name) => name.trim())
            .filter(Boolean),
        ),
      ];
    }),
  );
}

function roomOf(relative) {
  const [first] = relative.split('/');
  return first.endsWith('.ts') ? first.slice(0, -3) : first;
}

function packageOf(specifier) {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}

export function createDoorsRule(root) {
  const markdown = readFileSync(path.join(root, 'docs/imports.md'), 'utf8');
  const rooms = readTable(markdown, 'Rooms');
  const packages = readTable(markdown, 'Packages');
  const src = path.join(root, 'src');

  function complaint(file, specifier) {
    const from = path.relative(src, file);
    const room = roomOf(from);
    const isTest = /\.test\.ts$/.test(from);
    if (!specifier.startsWith('.')) {
      if (specifier.startsWith('node:') || builtinModules.includes(specifier)) return undefined;
      const name = packageOf(specifier);
      if (isTest && (name === 'vitest' || name === 'fast-check')) return undefined;
      const allowed = packages.get(name);
      if (allowed === undefined) return `package "${name}" is not in the table of docs/imports.md`;
      return allowed.has('*') || allowed.has(room) ? undefined : `package "${name}" may only be imported in: ${[...allowed].join(', ')}`;
    }
    const to = path.relative(src, path.resolve(path.dirname(file), specifier));
    const target = roomOf(to);
    if (target === room || COMMON_ROOMS.has(target) || COMMON_FILES.has(to)) return undefined;
    const allowed = rooms.get(room);
    if (allowed === undefined) return `room "${room}" is not in the table of docs/imports.md`;
    return allowed.has('*') || allowed.has(target) ? undefined : `room "${room}" may not import room "${target}" (docs/imports.md)`;
  }

  return {
    meta: { type: 'problem', schema: [] },
    create(context) {
      const check = (node) => {
        if (node.source === null || typeof node.source?.value !== 'string') return;
        const message = complaint(context.filename, node.source.value);
        if (message !== undefined) context.report({ node: node.source, message });
      };
      return { ImportDeclaration: check, ExportNamedDeclaration: check, ExportAllDeclaration: check, ImportExpression: check };
    },
  };
}
