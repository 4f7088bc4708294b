import { expect, test } from 'vitest';
import { silentLogger } from '../lib/log.ts';
import { WatchTrouble } from './watch-trouble.ts';

test('hundreds of watches that fail and recover are two lines', () => {
  const lines: string[] = [];
  const write = (message: string): void => void lines.push(message);
  const trouble = new WatchTrouble({ ...silentLogger, warn: write, info: write }, 'secrets');
  const watches = Array.from({ length: 300 }, () => ({}));
  trouble.over(watches[0]!);
  for (const watch of watches) trouble.begin(watch, new Error('forbidden'), {});
  for (const watch of watches) trouble.begin(watch, new Error('forbidden'), {});
  for (const watch of watches) trouble.over(watch);
  expect(lines).toEqual(['A watch fails; retrying', 'No watch fails any more']);
});
