import { existsSync, watch, type FSWatcher } from 'node:fs';
import path from 'node:path';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

/**
 * Calls `onChange` after something in a directory has changed, never twice at once; also when the directory itself appears or is
 * replaced, for which its nearest existing parent is watched too. Answers the function that ends it.
 */
export function watchDirectory(directory: string, onChange: () => Promise<void>, logger: Logger): () => void {
  let watchers: FSWatcher[] = [];
  let stopped = false;
  let running = false;
  let again = false;

  async function changed(): Promise<void> {
    again = true;
    if (running) return;
    running = true;
    while (again && !stopped) {
      again = false;
      rearm();
      try {
        await onChange();
      } catch (error) {
        logger.warn('Cannot read a watched directory', { directory, error: errorMessage(error) });
      }
    }
    running = false;
  }

  function rearm(): void {
    close();
    if (stopped) return;
    const parent = nearestExisting(path.dirname(directory));
    watchers = [parent, ...(existsSync(directory) ? [directory] : [])].flatMap((one) => {
      try {
        const watcher = watch(one, { persistent: false }, (_event, name) => {
          // In the parent only the way to the directory matters.
          if (one === directory || name === null || isOnTheWay(path.join(one, name))) void changed();
        });
        watcher.on('error', () => void changed());
        return [watcher];
      } catch (error) {
        logger.warn('Cannot watch a directory', { directory: one, error: errorMessage(error) });
        return [];
      }
    });
  }

  const isOnTheWay = (entry: string): boolean => directory === entry || directory.startsWith(`${entry}/`);

  function close(): void {
    for (const watcher of watchers.splice(0)) watcher.close();
  }

  rearm();
  return () => {
    stopped = true;
    close();
  };
}

function nearestExisting(directory: string): string {
  return existsSync(directory) || directory === path.dirname(directory) ? directory : nearestExisting(path.dirname(directory));
}
