/** A failure whose reason is one of the kubelet's words (`ErrImagePull`, `FailedMount` …), shown as such in status and events. */
export class ReasonedError extends Error {
  readonly reason: string;
  /** The event for it has been recorded already by whoever threw it. */
  readonly eventRecorded: boolean;

  constructor(reason: string, message: string, options: { readonly cause?: unknown; readonly eventRecorded?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ReasonedError';
    this.reason = reason;
    this.eventRecorded = options.eventRecorded ?? false;
  }
}
