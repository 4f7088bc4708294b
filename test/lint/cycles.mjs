/** A lint rule: no file may reach itself through relative imports, type imports included. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const IMPORT = /(?:^|\n)\s*(?:import|export)\b[^'"();]*?from\s*['"](\.[^'"]+)['"]|(?:^|[^.\w])import\(\s*['"](\.[^'"]+)['"]\s*\)/g;

function importsOf(file, cache) {
  const known = cache.get(file);
  if (known !== undefined) return known;
  const found = [];
  if (existsSync(file)) {
    for (const match of readFileSync(file, 'utf8').matchAll(IMPORT)) {
      if (match[1] !== undefined) found.push(path.resolve(path.dirname(file), match[1]));
      // a dynamic import breaks a cycle at load time, and is how lazy rooms are reached
    }
  }
  cache.set(file, found);
  return found;
}

/** The shortest way from `start` back to itself, or undefined. */
export function findCycle(start, cache = new Map()) {
  const queue = [[start]];
  const seen = new Set();
  while (queue.length > 0) {
    const trail = queue.shift();
    for (const next of importsOf(trail.at(-1), cache)) {
      if (next === start) return [...trail, next];
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push([...trail, next]);
    }
  }
  return undefined;
}

export function createNoCyclesRule(root) {
  const cache = new Map();
  return {
    meta: { type: 'problem', schema: [] },
    create(context) {
      return {
        Program(node) {
          const cycle = findCycle(context.filename, cache);
          if (cycle === undefined) return;
          context.report({ node, message: `import cycle: ${cycle.map((file) => path.relative(root, file)).join(' → ')}` });
        },
      };
    },
  };
}
