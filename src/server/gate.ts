import type { IncomingMessage } from 'node:http';
import { isUnavailable } from '../lib/errors.ts';
import type { Authenticator, Authorizer } from '../cluster/types.ts';
import { authenticate, type AuthenticationSettings } from './authenticate.ts';
import { requestAttributes } from './authorization.ts';
import { HttpError } from './http-error.ts';

export interface GateSettings extends AuthenticationSettings {
  readonly authorizationMode: 'Webhook' | 'AlwaysAllow';
  readonly nodeName: string;
}

/** Rejects with an HttpError unless the caller may do what the request asks. The same one guards Express and upgrades. */
export type Gate = (request: IncomingMessage, signal: AbortSignal) => Promise<void>;

export function createGate(settings: GateSettings, authenticator: Authenticator, authorizer: Authorizer): Gate {
  return async (request, signal) => {
    const user = await authenticate(request, settings, authenticator, signal).catch(unavailable);
    if (user === undefined) throw new HttpError(401, 'Unauthorized');
    if (settings.authorizationMode === 'AlwaysAllow') return;
    const path = new URL(request.url ?? '/', 'https://node').pathname;
    const wanted = requestAttributes(user, request.method ?? 'GET', path, settings.nodeName);
    for (const attributes of wanted) {
      const { allowed } = await authorizer.authorize(attributes, signal).catch(unavailable);
      if (allowed) return;
    }
    const subresources = wanted.map(({ resource }) => resource?.subresource).join(' ');
    throw new HttpError(
      403,
      `Forbidden (user=${user.username}, verb=${wanted[0]?.verb}, resource=nodes, subresource(s)=[${subresources}])\n`,
    );
  };
}

/** An API server that cannot be asked is not a refusal: the caller may try again. */
function unavailable(error: unknown): never {
  if (isUnavailable(error)) throw new HttpError(503, 'The API server cannot be asked who this is and what they may do; try again later');
  throw error;
}
