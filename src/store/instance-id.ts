import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from './atomic-file.ts';

const FILE = 'instance-id';
const FORM = /^[0-9a-f-]{36}$/;

/**
 * The identity of this agent on engines that it may share with others: made once in the root directory and kept for ever, so that
 * objects of an earlier life are recognised and those of anybody else are not.
 *
 * @throws Error when the file is there but unreadable or damaged: making a new identity would orphan everything that runs
 */
export async function instanceIdOf(rootDirectory: string): Promise<string> {
  const file = path.join(rootDirectory, FILE);
  const existing = await read(file);
  if (existing !== undefined) return existing;
  const id = randomUUID();
  await writeFileAtomic(file, `${id}\n`, { mode: 0o644 });
  return id;
}

async function read(file: string): Promise<string | undefined> {
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  if (!FORM.test(text)) throw new Error(`${file} does not hold an instance id: restore it, or remove it to disown what runs`);
  return text;
}
