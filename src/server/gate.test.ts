import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import type { AuthorizationAttributes, UserInfo } from '../cluster/types.ts';
import { UnavailableError } from '../lib/errors.ts';
import { createGate, type GateSettings } from './gate.ts';
import { HttpError } from './http-error.ts';

const settings: GateSettings = { anonymousAuth: false, webhookAuthentication: true, authorizationMode: 'Webhook', nodeName: 'node-1' };
const signal = new AbortController().signal;

interface Caller {
  readonly certificate?: { readonly CN: string; readonly O?: string | string[] };
  /** Presented but signed by nobody we believe. */
  readonly untrusted?: boolean;
  readonly token?: string;
  readonly method?: string;
  readonly url?: string;
}

function requestOf({ certificate, untrusted = false, token, method = 'GET', url = '/pods' }: Caller): IncomingMessage {
  const socket = { authorized: certificate !== undefined && !untrusted, getPeerCertificate: () => ({ subject: certificate }) };
  return { socket, method, url, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } } as unknown as IncomingMessage;
}

interface Answers {
  readonly users?: Readonly<Record<string, UserInfo>>;
  readonly allow?: (attributes: AuthorizationAttributes) => boolean;
  readonly away?: boolean;
}

async function knock(
  caller: Caller,
  answers: Answers = {},
  more: Partial<GateSettings> = {},
): Promise<{ status: number; asked: AuthorizationAttributes[] }> {
  const asked: AuthorizationAttributes[] = [];
  const away = (): void => {
    if (answers.away === true) throw new UnavailableError('away');
  };
  const gate = createGate(
    { ...settings, ...more },
    {
      authenticateToken: async (token) => {
        away();
        return answers.users?.[token];
      },
    },
    {
      authorize: async (attributes) => {
        away();
        asked.push(attributes);
        return { allowed: answers.allow?.(attributes) ?? false, reason: '' };
      },
    },
  );
  try {
    await gate(requestOf(caller), signal);
    return { status: 200, asked };
  } catch (error) {
    if (error instanceof HttpError) return { status: error.status, asked };
    throw error;
  }
}

const jane: UserInfo = { username: 'jane', groups: ['ops'] };

test('a caller with neither certificate nor token is nobody, and nothing is asked about them', async () => {
  expect(await knock({})).toEqual({ status: 401, asked: [] });
});

test('a certificate that our authorities have not signed counts for nothing', async () => {
  expect((await knock({ certificate: { CN: 'admin', O: 'system:masters' }, untrusted: true }, { allow: () => true })).status).toBe(401);
});

test('the common name is the user and each organization a group', async () => {
  const { status, asked } = await knock({ certificate: { CN: 'kube', O: ['a', 'b'] } }, { allow: () => true });
  expect(status).toBe(200);
  expect(asked[0]?.user).toEqual({ username: 'kube', groups: ['a', 'b', 'system:authenticated'] });
});

test('a token is who the API server says; an unknown one is nobody', async () => {
  expect((await knock({ token: 'good' }, { users: { good: jane }, allow: () => true })).asked[0]?.user).toEqual(jane);
  expect((await knock({ token: 'bad' }, { users: { good: jane }, allow: () => true })).status).toBe(401);
});

test('tokens are refused when the API server is not to be asked about them', async () => {
  expect((await knock({ token: 'good' }, { users: { good: jane }, allow: () => true }, { webhookAuthentication: false })).status).toBe(401);
});

test('who may do one of the things that a request can count as is let in', async () => {
  const onlyProxy = (attributes: AuthorizationAttributes): boolean => attributes.resource?.subresource === 'proxy';
  const { status, asked } = await knock({ token: 'good' }, { users: { good: jane }, allow: onlyProxy });
  expect(status).toBe(200);
  expect(asked.map(({ resource }) => resource?.subresource)).toEqual(['pods', 'proxy']);
});

test('who may do none of them is refused', async () => {
  expect((await knock({ token: 'good' }, { users: { good: jane } })).status).toBe(403);
});

test('anonymous callers are let as far as they are authorized, only when that is switched on', async () => {
  const allow = ({ user }: AuthorizationAttributes): boolean => user.username === 'system:anonymous';
  expect((await knock({}, { allow }, { anonymousAuth: true })).status).toBe(200);
  expect((await knock({}, {}, { anonymousAuth: true })).status).toBe(403);
});

test('an API server that cannot be asked is a reason to try again, not a refusal and never a way in', async () => {
  expect((await knock({ token: 'good' }, { away: true })).status).toBe(503);
  expect((await knock({ certificate: { CN: 'kube' } }, { away: true })).status).toBe(503);
});
