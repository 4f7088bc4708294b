/** Mounting on the host. */

export interface MountRequest {
  /** `tmpfs` or a path. */
  readonly source: string;
  readonly target: string;
  /** Empty for bind mounts. */
  readonly fsType: string;
  readonly options: readonly string[];
  /** Takes the source path as it is given, without resolving links in it. */
  readonly noCanonicalize?: boolean;
}

export interface MountPoint {
  /** As in mountinfo, absolute and without symlinks. */
  readonly path: string;
  readonly fsType: string;
}

export interface Mounter {
  /** Whether this process may mount at all; found out once. Where it may not, callers use plain directories. */
  available(signal: AbortSignal): Promise<boolean>;
  /** @throws DeadlineExceededError, or Error with the tool's output */
  mount(request: MountRequest, signal: AbortSignal): Promise<void>;
  /** Unmounts in the order given. `lazy` detaches at once what is busy. What is not mounted is an error. */
  unmount(paths: readonly string[], options: { readonly lazy?: boolean }, signal: AbortSignal): Promise<void>;
  /** Every mount of this process's mount namespace, oldest first. */
  list(signal: AbortSignal): Promise<readonly MountPoint[]>;
}
