/** /proc/self/mountinfo (proc(5)). */

export interface MountPoint {
  /** As in mountinfo, absolute and without symlinks. */
  readonly path: string;
  readonly fsType: string;
}

/** Oldest first. Lines that are not understood are left out. */
export function parseMountInfo(text: string): MountPoint[] {
  return text.split('\n').flatMap((line) => {
    const [fields = '', superFields = ''] = line.split(' - ');
    const mountPoint = fields.split(' ')[4];
    const fsType = superFields.split(' ')[0];
    return mountPoint === undefined || fsType === undefined || fsType === '' ? [] : [{ path: unescaped(mountPoint), fsType }];
  });
}

/** The mounts at `directory` and below it. */
export function mountsWithin(mounts: readonly MountPoint[], directory: string): MountPoint[] {
  return mounts.filter(({ path }) => path === directory || path.startsWith(`${directory}/`));
}

/** Space, tab, newline and backslash are written as three octal digits. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
