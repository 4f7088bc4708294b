import type { Pod, Secret } from '../api/types.ts';
import { errorMessage, InvalidInputError } from '../lib/errors.ts';
import { parseDockercfg, parseDockerConfig, type RegistryAuths } from './docker-config.ts';
import { Keyring } from './keyring.ts';

export interface PullSecretPort {
  /** `undefined` when absent. */
  secret(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined>;
}

export interface PullSecrets {
  readonly keyring: Keyring;
  /** Named by the pod, but not to be had. */
  readonly missing: readonly string[];
}

/**
 * The pod's imagePullSecrets (kubelet getPullSecretsForPod, upstream pkg/credentialprovider/secrets). One that is missing is no
 * error: the image may be public.
 * @throws InvalidInputError naming a secret that is there and unreadable
 */
export async function readPullSecrets(pod: Pod, secrets: PullSecretPort, signal: AbortSignal): Promise<PullSecrets> {
  const keyring = new Keyring();
  const missing: string[] = [];
  const { namespace } = pod.metadata;
  for (const { name } of pod.spec.imagePullSecrets ?? []) {
    if (name === undefined || name === '') continue; // admitted by old API servers
    const secret = await secrets.secret(namespace, name, signal);
    if (secret === undefined) {
      missing.push(name);
      continue;
    }
    const source = { uid: secret.metadata?.uid ?? '', namespace, name };
    for (const [registry, auth] of authsOf(secret, name)) keyring.add(registry, { auth, source });
  }
  return { keyring, missing };
}

function authsOf(secret: Secret, name: string): RegistryAuths {
  try {
    const json = secret.data?.['.dockerconfigjson'];
    if (secret.type === 'kubernetes.io/dockerconfigjson' && json !== undefined) return parseDockerConfig(decode(json)).auths;
    const cfg = secret.data?.['.dockercfg'];
    if (secret.type === 'kubernetes.io/dockercfg' && cfg !== undefined) return parseDockercfg(decode(cfg));
    return new Map();
  } catch (error) {
    throw new InvalidInputError(`image pull secret ${name} cannot be read: ${errorMessage(error)}`);
  }
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
