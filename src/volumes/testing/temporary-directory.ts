import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Registers what to do when a test ends: vitest's `onTestFinished`. */
export type AtEnd = (cleanUp: () => void) => void;

/** A directory for one test, without symlinks in its path, removed when the test ends. */
export function temporaryDirectory(atEnd: AtEnd): string {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'volumes-test-')));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
