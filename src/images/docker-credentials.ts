/** Credentials of the machine itself: Docker's config.json with its stores and helpers. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { AuthConfig } from '../runtime/types.ts';
import { parseDockerConfig, type DockerConfig } from './docker-config.ts';
import { Keyring } from './keyring.ts';

/** Credentials that every pod of this node may use. */
export interface NodeCredentials {
  /** Most specific first; empty when there are none. `repository` is fully qualified, without tag or digest. */
  lookup(repository: string, signal: AbortSignal): Promise<readonly AuthConfig[]>;
}

export interface DockerCredentialsDeps {
  /** Candidates for config.json, the first that exists counts (`<root>/config.json`, `~/.docker/config.json`, `/.docker/config.json`). */
  readonly configFiles: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Runs a credential program; answers its standard output. */
  readonly run?: RunProgram;
}

export type RunProgram = (program: string, args: readonly string[], input: string, signal: AbortSignal) => Promise<string>;

/** Docker Hub's name in credential stores. */
const DOCKER_HUB = 'https://index.docker.io/v1/';
/** A store may ask a cloud for a token; one that needs longer is stuck. */
const HELPER_LIMIT_MS = 30_000;
/** Credentials are a few hundred bytes. */
const MAX_HELPER_OUTPUT = 64 * 1024;

const helperAnswer = z.object({ Username: z.string(), Secret: z.string() });

/** Reads the file at every look-up, which is once a pull: a changed password counts at once. */
export function createDockerCredentials({ configFiles, clock, logger, run = runProgram }: DockerCredentialsDeps): NodeCredentials {
  return {
    async lookup(repository, signal) {
      const config = await readConfig(configFiles, logger);
      if (config === undefined) return [];
      const registry = repository.split('/')[0] ?? '';
      const helper = config.credHelpers.get(registry) ?? config.credsStore;
      const asked =
        helper === undefined
          ? undefined
          : await withDeadline(clock, `docker-credential-${helper}`, HELPER_LIMIT_MS, signal, (limited) =>
              askHelper(run, helper, registry, logger, limited),
            );
      return asked === undefined ? fromAuths(config, repository) : [asked];
    },
  };
}

async function readConfig(files: readonly string[], logger: Logger): Promise<DockerConfig | undefined> {
  for (const file of files) {
    try {
      return parseDockerConfig(await readFile(file, 'utf8'));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
        logger.warn('A Docker configuration file could not be read', { file, error: errorMessage(error) });
      }
    }
  }
  return undefined;
}

function fromAuths({ auths }: DockerConfig, repository: string): AuthConfig[] {
  const keyring = new Keyring();
  for (const [registry, auth] of auths) if (Object.keys(auth).length > 0) keyring.add(registry, { auth });
  return keyring.lookup(repository).map(({ auth }) => auth);
}

/** `undefined`: it has nothing for this registry. */
async function askHelper(
  run: RunProgram,
  helper: string,
  registry: string,
  logger: Logger,
  signal: AbortSignal,
): Promise<AuthConfig | undefined> {
  const serverAddress = registry === 'docker.io' ? DOCKER_HUB : registry;
  try {
    const answer = helperAnswer.parse(JSON.parse(await run(`docker-credential-${helper}`, ['get'], serverAddress, signal)));
    // A store hands out tokens under a name that no user can have.
    if (answer.Username === '<token>') return { identityToken: answer.Secret, serverAddress };
    return { username: answer.Username, password: answer.Secret, serverAddress };
  } catch (error) {
    if (signal.aborted) throw error;
    // "Not found" is how a helper says so, and the answer is never quoted: it may hold the secret.
    logger.debug('A credential helper had no answer', { helper, registry });
    return undefined;
  }
}

function runProgram(program: string, args: readonly string[], input: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, [...args], { signal, maxBuffer: MAX_HELPER_OUTPUT }, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    );
    child.stdin?.on('error', () => undefined); // a program that does not read its input has its exit code to say so
    child.stdin?.end(input);
  });
}
