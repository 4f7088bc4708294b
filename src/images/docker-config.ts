/** Docker's configuration file and the pull secrets that are made of it (upstream pkg/credentialprovider/config.go). */
import { z } from 'zod';
import { InvalidInputError } from '../lib/errors.ts';
import type { AuthConfig } from '../runtime/types.ts';

const authEntry = z.object({
  username: z.string().optional(),
  password: z.string().optional(),
  auth: z.string().optional(),
  identitytoken: z.string().optional(),
  registrytoken: z.string().optional(),
});
const auths = z.record(z.string(), authEntry);
const configFile = z.object({
  auths: auths.optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});

/** Credentials by registry, as the file names it (`https://index.docker.io/v1/`, `registry.example.com/team`). */
export type RegistryAuths = ReadonlyMap<string, AuthConfig>;

export interface DockerConfig {
  readonly auths: RegistryAuths;
  /** Suffix of the `docker-credential-…` program that keeps every registry's credentials. */
  readonly credsStore?: string;
  /** The same by registry. */
  readonly credHelpers: ReadonlyMap<string, string>;
}

/** `config.json`, `.dockerconfigjson`. @throws InvalidInputError naming what is wrong, never what a secret holds */
export function parseDockerConfig(text: string): DockerConfig {
  const config = check(configFile, text);
  return {
    auths: toAuths(config.auths ?? {}),
    ...(config.credsStore === undefined || config.credsStore === '' ? {} : { credsStore: config.credsStore }),
    credHelpers: new Map(Object.entries(config.credHelpers ?? {})),
  };
}

/** The older `.dockercfg`: the registries alone. @throws InvalidInputError */
export function parseDockercfg(text: string): RegistryAuths {
  return toAuths(check(auths, text));
}

function check<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidInputError('it is not JSON'); // the parser's message would quote the secret
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new InvalidInputError(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not of the expected form'}`);
}

function toAuths(entries: Readonly<Record<string, z.infer<typeof authEntry>>>): RegistryAuths {
  return new Map(Object.entries(entries).map(([registry, entry]) => [registry, toAuthConfig(registry, entry)]));
}

function toAuthConfig(registry: string, entry: z.infer<typeof authEntry>): AuthConfig {
  const { identitytoken, registrytoken } = entry;
  return {
    ...(entry.auth !== undefined && entry.auth !== '' ? decodeAuth(registry, entry.auth) : userAndPassword(entry)),
    ...(identitytoken === undefined || identitytoken === '' ? {} : { identityToken: identitytoken }),
    ...(registrytoken === undefined || registrytoken === '' ? {} : { registryToken: registrytoken }),
  };
}

function userAndPassword({ username, password }: z.infer<typeof authEntry>): AuthConfig {
  return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
}

/** `auth` is base64 of `username:password` and wins over the two fields. */
function decodeAuth(registry: string, auth: string): AuthConfig {
  const decoded = Buffer.from(auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon === -1) {
    throw new InvalidInputError(`auths.${registry}: unable to parse auth field, must be formatted as base64(username:password)`);
  }
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}
