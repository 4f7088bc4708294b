import { ReasonedError } from '../lib/reasoned-error.ts';

/** An image that could not be made present: ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName … Its events are recorded. */
export class ImagePullError extends ReasonedError {
  /** When the next try is due, ms since the epoch. Absent: trying earlier does no harm. */
  readonly retryAt?: number;

  constructor(reason: string, message: string, options: { readonly cause?: unknown; readonly retryAt?: number } = {}) {
    super(reason, message, { cause: options.cause, eventRecorded: true });
    if (options.retryAt !== undefined) this.retryAt = options.retryAt;
  }
}
