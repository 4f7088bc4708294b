import type { IncomingMessage } from 'node:http';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Authenticator, UserInfo } from '../cluster/types.ts';

export interface AuthenticationSettings {
  readonly anonymousAuth: boolean;
  readonly webhookAuthentication: boolean;
}

/**
 * Who makes the request: by a client certificate that the configured authorities signed (common name and organizations, as
 * k8s.io/apiserver pkg/authentication/request/x509), else by bearer token, else anonymous if allowed. `undefined`: nobody.
 * @throws UnavailableError when the API server cannot be asked about a token
 */
export async function authenticate(
  request: IncomingMessage,
  settings: AuthenticationSettings,
  authenticator: Authenticator,
  signal: AbortSignal,
): Promise<UserInfo | undefined> {
  const byCertificate = certificateUser(request.socket as TLSSocket);
  if (byCertificate !== undefined) return byCertificate;
  const token = bearerToken(request);
  if (token !== undefined) return settings.webhookAuthentication ? await authenticator.authenticateToken(token, signal) : undefined;
  return settings.anonymousAuth ? { username: 'system:anonymous', groups: ['system:unauthenticated'] } : undefined;
}

function certificateUser(socket: TLSSocket): UserInfo | undefined {
  if (!socket.authorized) return undefined;
  const subject: Partial<PeerCertificate['subject']> | undefined = socket.getPeerCertificate().subject;
  const username = [subject?.CN].flat()[0];
  if (username === undefined || username === '') return undefined;
  const organizations = [subject?.O].flat().filter((name) => name !== undefined);
  return { username, groups: [...organizations, 'system:authenticated'] };
}

function bearerToken(request: IncomingMessage): string | undefined {
  const match = /^bearer +(\S+)$/i.exec(request.headers.authorization?.trim() ?? '');
  return match?.[1];
}
