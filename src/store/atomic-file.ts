import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

export interface AtomicFileOptions {
  /** Permission bits of the file; 0600 unless told, for state is nobody else's. */
  readonly mode?: number;
}

/**
 * Replaces `file` in one step: a reader sees the old content or the new, never a part, also after a crash or a power loss
 * (the content is on disk before the name points to it). Makes the directory when it is missing.
 */
export async function writeFileAtomic(file: string, content: string | Uint8Array, options: AtomicFileOptions = {}): Promise<void> {
  const directory = path.dirname(file);
  const temporary = path.join(directory, `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
  const handle = await openMakingDirectory(temporary, options.mode ?? 0o600);
  try {
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Whether a directory entry is what a crash in the middle of {@link writeFileAtomic} leaves behind. */
export function isTemporaryFile(name: string): boolean {
  return name.startsWith('.') && name.endsWith('.tmp');
}

async function openMakingDirectory(file: string, mode: number) {
  try {
    return await open(file, 'wx', mode);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    return open(file, 'wx', mode);
  }
}
