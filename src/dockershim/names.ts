import { randomBytes } from 'node:crypto';
import type { ContainerMetadata, PodSandboxMetadata } from '../runtime/types.ts';

/**
 * Names of the engine's containers, as people know them (dockershim naming.go): `k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`,
 * with `POD` as the sandbox's container. Kubernetes' names have no underscore, so the parts stay apart.
 */
export function sandboxName(metadata: PodSandboxMetadata): string {
  return ['k8s', 'POD', metadata.name, metadata.namespace, metadata.uid, metadata.attempt].join('_');
}

export function containerName(sandbox: PodSandboxMetadata, container: ContainerMetadata): string {
  return ['k8s', container.name, sandbox.name, sandbox.namespace, sandbox.uid, container.attempt].join('_');
}

/** The same name made free of a conflict with an object that cannot be removed. */
export function randomizedName(name: string): string {
  return `${name}_${randomBytes(4).toString('hex')}`;
}
