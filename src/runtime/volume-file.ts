import { constants } from 'node:fs';
import { open, readlink, realpath } from 'node:fs/promises';
import path from 'node:path';
import { InvalidInputError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';

/** Linux: a descriptor that names a file without opening it, so that no device is touched before it is known to be a plain file. */
const O_PATH = 0o10000000;
/** Environment files are small; a container must not make the agent read a disk full. */
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * A text file of a volume. Containers write there, so its links are not trusted: what is read is the very file whose place was checked.
 * @throws InvalidInputError when it is no plain file inside of the volume, or has more than 1 MiB
 */
export async function readVolumeFile(volumeDirectory: string, relativePath: string): Promise<string> {
  const name = await open(path.join(volumeDirectory, relativePath), O_PATH);
  try {
    const descriptor = `/proc/self/fd/${name.fd}`;
    const [root, target, stat] = await Promise.all([realpath(volumeDirectory), readlink(descriptor), name.stat()]);
    if (!target.startsWith(`${root}/`)) throw new InvalidInputError(`file ${quote(relativePath)} is outside of its volume`);
    if (!stat.isFile()) throw new InvalidInputError(`file ${quote(relativePath)} is not a regular file`);
    if (stat.size > MAX_FILE_BYTES) throw new InvalidInputError(`file ${quote(relativePath)} has more than ${MAX_FILE_BYTES} bytes`);
    const file = await open(descriptor, constants.O_RDONLY);
    try {
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } finally {
    await name.close();
  }
}
