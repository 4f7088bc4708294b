import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exists } from './cache.ts';
import type { Tools } from './prerequisites.ts';
import { run } from './run.ts';

/** Debian's busybox 1.35 crashes in wget's -T: `timeout` takes its part. */
const wgetWrapper = [
  '#!/bin/bash',
  'args=() limit=0',
  'while (($#)); do',
  '  case $1 in',
  '    -T | --timeout) limit=$2; shift 2 ;;',
  '    -T*) limit=${1#-T}; shift ;;',
  '    --timeout=*) limit=${1#--timeout=}; shift ;;',
  '    *) args+=("$1"); shift ;;',
  '  esac',
  'done',
  'if ((limit)); then timeout "$limit" busybox wget "${args[@]}" || exit 1',
  'else exec busybox wget "${args[@]}"',
  'fi',
] as const;

/** A root file system for a test image, filled from this machine's programs and the unpacked packages. */
export class Rootfs {
  readonly dir: string;
  readonly #tools: Tools;

  constructor(dir: string, tools: Tools) {
    this.dir = dir;
    this.#tools = tools;
  }

  /** The folders and accounts that programs expect of any Linux. */
  async base(): Promise<void> {
    for (const folder of ['usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64', 'etc', 'root', 'var/log', 'run', 'proc', 'sys', 'dev']) {
      await mkdir(join(this.dir, folder), { recursive: true });
    }
    for (const folder of ['bin', 'sbin', 'lib', 'lib64']) await this.link(`usr/${folder}`, `/${folder}`);
    await mkdir(join(this.dir, 'tmp'));
    await chmod(join(this.dir, 'tmp'), 0o1777);
    await this.text('/etc/passwd', [
      'root:x:0:0:root:/root:/bin/sh',
      'nginx:x:101:101:nginx:/nonexistent:/bin/false',
      'user-defined-in-image:x:1000:1000::/home:/bin/sh',
      'nonroot:x:1234:1234::/home:/bin/sh',
      'nobody:x:65534:65534:nobody:/nonexistent:/bin/false',
    ]);
    await this.text('/etc/group', [
      'root:x:0:',
      'nginx:x:101:',
      'user-defined-in-image:x:1000:',
      'nonroot:x:1234:',
      'group-defined-in-image:x:50000:user-defined-in-image',
      'nogroup:x:65534:',
    ]);
    await this.text('/etc/nsswitch.conf', ['passwd: files', 'group: files', 'hosts: files dns']);
    await this.text('/etc/os-release', ['ID=shorelet-test', 'NAME="Shorelet test image"']);
  }

  /** A shell and the everyday commands: busybox, but bash as sh, since ash drops variables whose names are no identifiers. */
  async shell(): Promise<void> {
    const busybox = await this.#tools.find('busybox');
    await this.program(busybox, '/usr/bin/busybox');
    const { stdout } = await run([busybox, '--list'], { env: this.#tools.env });
    const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox' && name !== 'sh');
    for (const name of applets) if (name !== 'wget') await this.link('busybox', `/usr/bin/${name}`);
    await this.text('/usr/bin/wget', wgetWrapper, 0o755);
    await this.program(await this.#tools.find('bash-static'), '/usr/bin/bash');
    await this.link('bash', '/usr/bin/sh');
  }

  /** Copies a program and the shared libraries it needs. */
  async program(source: string, target: string): Promise<void> {
    await this.file(source, target);
    // Fails for a static program, which needs none.
    const { stdout } = await run(['ldd', source], { env: this.#tools.env, anyExit: true });
    for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) {
      if (library !== undefined) await this.#library(library);
    }
  }

  /** Copies a program found by name to /usr/bin, in place of busybox' version if there is one. */
  async tool(name: string): Promise<void> {
    await run(['rm', '-f', join(this.dir, 'usr/bin', name)]);
    await this.program(await this.#tools.find(name), `/usr/bin/${name}`);
  }

  /** Copies one file, following links, its mode kept. */
  async file(source: string, target: string): Promise<void> {
    const path = join(this.dir, target);
    await mkdir(dirname(path), { recursive: true });
    await copyFile(source, path);
  }

  /** Copies a folder of the machine or of the unpacked packages, to the same path. */
  async folder(source: string, target: string): Promise<void> {
    const path = join(this.dir, target);
    await mkdir(dirname(path), { recursive: true });
    await run(['cp', '-aL', source, path]);
  }

  /** Writes a text file. */
  async text(target: string, lines: readonly string[], mode = 0o644): Promise<void> {
    const path = join(this.dir, target);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${lines.join('\n')}\n`, { mode });
  }

  /** Makes a symbolic link at `path` to `destination`. */
  async link(destination: string, path: string): Promise<void> {
    await mkdir(dirname(join(this.dir, path)), { recursive: true });
    await symlink(destination, join(this.dir, path));
  }

  async #library(path: string): Promise<void> {
    const inside = path.startsWith(`${this.#tools.root}/`) ? path.slice(this.#tools.root.length) : path;
    const merged = inside.replace(/^\/lib/, '/usr/lib');
    if (!(await exists(join(this.dir, merged)))) await this.file(path, merged);
  }
}
