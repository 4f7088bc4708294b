/** File system errors in words for events. */

/** "write /path: no space left on device" instead of Node's "ENOSPC: no space left on device, write". */
export class HostFileError extends Error {
  /** `ENOSPC`, `EACCES` … */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'HostFileError';
    this.code = code;
  }
}

/** Errors of the file system in Kubernetes' words; others as they are. */
export function readableFileError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, syscall, path }: Partial<NodeJS.ErrnoException> = error;
  const text = /^E[A-Z0-9]+: ([^,]+), /.exec(error.message)?.[1];
  if (code === undefined || text === undefined) return error;
  return new HostFileError(
    code,
    [[syscall, path].filter((part) => part !== undefined).join(' '), text].filter((part) => part !== '').join(': '),
  );
}
