/** Everything about the dockershim that a configuration can say (EdgeCore's dockershim step had the same settings). */
export interface DockershimSettings {
  /** `unix:///path` or `tcp://host:port`. */
  readonly dockerEndpoint: string;
  /** For `tcp://` with TLS: PEM texts. */
  readonly dockerTls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Logs every call to the engine at debug level. */
  readonly traceCalls: boolean;
  /** Whose objects on the engine are ours (see store/instance-id.ts). */
  readonly instanceId: string;
  /** Where sandbox checkpoints are kept. */
  readonly rootDirectory: string;
  readonly sandboxImage: string;
  /** Credentials for the sandbox image's registry, when it needs any. */
  readonly sandboxImageAuth?: { readonly username: string; readonly password: string };
  /** A pull that moves no byte for so long is cancelled. Milliseconds. */
  readonly imagePullProgressDeadlineMs: number;
  /** Longest that one call to the engine may take (time that a container is given to stop comes on top). Milliseconds. */
  readonly requestTimeoutMs: number;
  /** What the agent is configured for; a different driver in the engine makes the runtime not ready. Absent: the engine's. */
  readonly cgroupDriver?: 'cgroupfs' | 'systemd';
  /** Parent cgroup of sandboxes and containers whose configuration names none. Empty: the engine's default. */
  readonly cgroupParent: string;
  /** Bytes at which the engine rotates a container's log; see {@link engineLogMaxSize}. */
  readonly logMaxSizeBytes: number;
  /** At least 2: with one file the engine truncates while it is read. */
  readonly logMaxFiles: number;
}

const MEBIBYTE = 1024 * 1024;
/** The engine checks a log's size after it has written a line, of at most 16 KiB of payload: this margin holds several in JSON. */
const LOG_SIZE_MARGIN = 128 * 1024;

/**
 * The engine's rotation size for a kubelet's `containerLogMaxSize`: a little under, so that whoever watches the file from outside
 * with the same limit never finds it too large.
 */
export function engineLogMaxSize(containerLogMaxSizeBytes: number): number {
  return Math.max(containerLogMaxSizeBytes - LOG_SIZE_MARGIN, Math.ceil(containerLogMaxSizeBytes / 2));
}

export const DOCKERSHIM_DEFAULTS = {
  dockerEndpoint: 'unix:///var/run/docker.sock',
  traceCalls: false,
  rootDirectory: '/var/lib/dockershim',
  /** kubelet v1.37 cmd/kubelet: the version of pause that kubeadm ships. */
  sandboxImage: 'registry.k8s.io/pause:3.10.2',
  imagePullProgressDeadlineMs: 60_000,
  /** kubelet `--runtime-request-timeout`. */
  requestTimeoutMs: 120_000,
  cgroupParent: '',
  logMaxSizeBytes: engineLogMaxSize(10 * MEBIBYTE),
  logMaxFiles: 5,
} as const satisfies Partial<DockershimSettings>;
