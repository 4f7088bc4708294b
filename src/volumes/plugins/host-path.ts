import { errorMessage, InvalidInputError } from '../../lib/errors.ts';
import { readableFileError } from '../file-errors.ts';
import type { FileStat, HostFiles } from '../host-files.ts';
import type { MountedVolume } from '../types.ts';
import type { PersistentVolumePlugin, PluginContext, VolumePlugin } from './plugin.ts';

const DIRECTORY_MODE = 0o755;
const FILE_MODE = 0o644;

/** How each demanded type is called in messages, and which file types fulfil it. */
const EXPECTED: Readonly<Record<string, { readonly type: FileStat['type']; readonly words: string }>> = {
  DirectoryOrCreate: { type: 'directory', words: 'directory' },
  Directory: { type: 'directory', words: 'directory' },
  FileOrCreate: { type: 'file', words: 'file' },
  File: { type: 'file', words: 'file' },
  Socket: { type: 'socket', words: 'socket file' },
  CharDevice: { type: 'character', words: 'character device' },
  BlockDevice: { type: 'block', words: 'block device' },
};

/** Upstream's names of what is there instead (mount-utils FileType). */
const FOUND: Readonly<Record<FileStat['type'], string | undefined>> = {
  directory: 'Directory',
  file: 'File',
  socket: 'Socket',
  character: 'CharDevice',
  block: 'BlockDevice',
  symlink: undefined,
  other: undefined,
};

/** kubelet pkg/volume/hostpath. */
export function createHostPathPlugin({ files }: PluginContext): VolumePlugin {
  return {
    async setUp({ spec }) {
      const { path = '', type = '' } = spec.hostPath ?? {};
      await checkHostPath(files, path, type);
      return { mounted: mountedHostPath(spec.name, path, false) };
    },
  };
}

/** A persistent volume that is a path of the host. */
export function createHostPathVolumePlugin({ files }: PluginContext): PersistentVolumePlugin {
  return {
    supportsMountOptions: false,
    async setUp(_pod, { name, volume, readOnly }) {
      const { path = '', type = '' } = volume.spec?.hostPath ?? {};
      await checkHostPath(files, path, type);
      return { mounted: mountedHostPath(name, path, readOnly) };
    },
  };
}

function mountedHostPath(name: string, hostPath: string, readOnly: boolean): MountedVolume {
  return { name, hostPath, readOnly, selinuxRelabel: false };
}

/** Creates what the type says may be created. @throws Error with the kubelet's words for what is wrong */
async function checkHostPath(files: HostFiles, path: string, type: string): Promise<void> {
  if (path.split('/').includes('..')) throw new InvalidInputError(`invalid HostPath \`${path}\`: must not contain '..'`);
  if (type === '') return;
  const expected = EXPECTED[type];
  if (expected === undefined) throw new InvalidInputError(`${type} is an invalid volume type`);
  const stat = await files.stat(path).catch((error: unknown) => {
    const reason = readableFileError(error);
    throw new Error(
      `hostPath type check failed, ${path} is not a ${expected.words}, unable to determine its type: ${errorMessage(reason)}`,
      { cause: error },
    );
  });
  if (stat === undefined && type.endsWith('OrCreate')) {
    try {
      if (expected.type === 'directory') await files.makeDirectory(path, DIRECTORY_MODE);
      else await files.createFile(path, FILE_MODE);
    } catch (error) {
      throw readableFileError(error);
    }
    return;
  }
  if (stat?.type === expected.type) return;
  const found = stat === undefined ? undefined : FOUND[stat.type];
  if (found !== undefined) throw new Error(`hostPath type check failed: ${path} is not a ${expected.words}, it's a ${found}`);
  const reason =
    stat === undefined ? `path "${path}" does not exist` : 'only recognise file, directory, socket, block device and character device';
  throw new Error(`hostPath type check failed, ${path} is not a ${expected.words}, unable to determine its type: ${reason}`);
}
