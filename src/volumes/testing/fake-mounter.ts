import type { MountPoint } from '../mount-info.ts';
import type { Mounter } from '../mounter.ts';

/** Remembers what was asked for instead of mounting. */
export class FakeMounter implements Mounter {
  mountable = true;
  readonly calls: string[] = [];
  mounts: MountPoint[] = [];
  /** Paths that refuse to be unmounted. */
  readonly busy = new Set<string>();

  available(): Promise<boolean> {
    return Promise.resolve(this.mountable);
  }

  async tmpfs(target: string, sizeBytes: number): Promise<void> {
    this.calls.push(`tmpfs ${target} ${sizeBytes}`);
    this.mounts.push({ path: target, fsType: 'tmpfs' });
  }

  async hugePages(target: string, pageSize: string): Promise<void> {
    this.calls.push(`hugetlbfs ${target} ${pageSize}`);
    this.mounts.push({ path: target, fsType: 'hugetlbfs' });
  }

  async bind(source: string, target: string, options: { readonly readOnly?: boolean }): Promise<void> {
    this.calls.push(`bind ${source.replace(/^\/proc\/\d+\/fd\/\d+$/, 'descriptor')} ${target}${options.readOnly === true ? ' ro' : ''}`);
    this.mounts.push({ path: target, fsType: 'bind' });
  }

  async unmount(paths: readonly string[]): Promise<void> {
    this.calls.push(`umount ${paths.join(' ')}`);
    for (const path of paths) if (!this.busy.has(path)) this.#remove(path);
    if (paths.some((path) => this.busy.has(path))) throw new Error('umount failed: target is busy');
  }

  async detach(path: string): Promise<void> {
    this.calls.push(`umount -l ${path}`);
    this.#remove(path);
  }

  async list(): Promise<readonly MountPoint[]> {
    return [...this.mounts];
  }

  #remove(path: string): void {
    const index = this.mounts.findLastIndex((mount) => mount.path === path);
    if (index >= 0) this.mounts.splice(index, 1);
  }
}
