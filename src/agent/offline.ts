import type { Transport } from '../cluster/transport.ts';
import { UnavailableError } from '../lib/errors.ts';

/** What there is to send by where no API server is configured: static pods run, everything else waits for ever. */
export const offlineTransport: Transport = {
  send: () => Promise.reject(new UnavailableError('no API server is configured (kubeconfig)')),
  close: () => undefined,
};
