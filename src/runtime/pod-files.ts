/** Files below a pod's directory that containers are given: /etc/hosts and the termination log. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, symlink, unlink, writeFile, access } from 'node:fs/promises';
import path from 'node:path';
import { ETC_HOSTS } from './mounts.ts';
import type { Mount } from './types.ts';

/** Owner and group; nobody else needs to see volumes and hosts files. */
const DIRECTORY_MODE = 0o750;
const LOG_DIRECTORY_MODE = 0o755;
const HOSTS_MODE = 0o644;
/** Whatever user the container runs as must be able to write its last words. */
const TERMINATION_LOG_MODE = 0o666;
/** Longest file name of ext4. */
const MAX_FILE_NAME = 255;
const LOG_SUFFIX = '.log';

/** `<pod>`, `<pod>/volumes` and `<pod>/plugins` (kubelet makePodDataDirs). */
export async function makePodDirectories(podDirectory: string): Promise<void> {
  for (const name of ['', 'volumes', 'plugins']) await mkdir(path.join(podDirectory, name), { recursive: true, mode: DIRECTORY_MODE });
}

/** Where the runtime writes container logs: `<pod log directory>/<container>`. */
export async function makeLogDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: LOG_DIRECTORY_MODE });
}

/**
 * The pod's managed hosts file as a mount. It may still be empty: {@link writeHostsFile} fills it in place once the addresses are
 * known, and a container that has it mounted sees that.
 */
export async function hostsFileMount(podDirectory: string): Promise<Mount> {
  const hostPath = path.join(podDirectory, 'etc-hosts');
  const file = await open(hostPath, 'a', HOSTS_MODE);
  await file.close();
  return { containerPath: ETC_HOSTS, hostPath, readonly: false, selinuxRelabel: true, propagation: 'private' };
}

/** Replaces the content without replacing the file, which running containers have mounted. */
export async function writeHostsFile(podDirectory: string, content: string): Promise<void> {
  const hostPath = path.join(podDirectory, 'etc-hosts');
  if ((await readIfThere(hostPath)) === content) return;
  await writeFile(hostPath, content, { mode: HOSTS_MODE });
  await chmod(hostPath, HOSTS_MODE);
}

/** A fresh termination log for one instance of a container: `<pod>/containers/<name>/<random>`. */
export async function terminationLogMount(podDirectory: string, containerName: string, containerPath: string): Promise<Mount> {
  const directory = path.join(podDirectory, 'containers', containerName);
  await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
  const hostPath = path.join(directory, randomBytes(4).toString('hex'));
  const file = await open(hostPath, 'wx', TERMINATION_LOG_MODE);
  try {
    await file.chmod(TERMINATION_LOG_MODE); // the umask took from the mode above
  } finally {
    await file.close();
  }
  return { containerPath, hostPath, readonly: false, selinuxRelabel: true, propagation: 'private' };
}

export interface LogLinkNames {
  readonly podName: string;
  readonly podNamespace: string;
  readonly containerName: string;
  readonly containerId: string;
}

/** `<pod>_<namespace>_<container>-<id>.log` in the directory that log collectors read (kubelet kuberuntime/legacy.go). */
export function logLinkPath(directory: string, { podName, podNamespace, containerName, containerId }: LogLinkNames): string {
  const name = `${podName}_${podNamespace}_${containerName}-${containerId}`;
  return path.join(directory, name.slice(0, MAX_FILE_NAME - LOG_SUFFIX.length) + LOG_SUFFIX);
}

/** Does nothing when there is no log: a link to nothing helps nobody. */
export async function makeLogLink(link: string, logPath: string): Promise<void> {
  try {
    await access(logPath);
    await makeLogDirectory(path.dirname(link));
    await symlink(logPath, link);
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'EEXIST')) throw error;
  }
}

/** Success when it is gone. */
export async function removeLogLink(link: string): Promise<void> {
  try {
    await unlink(link);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
