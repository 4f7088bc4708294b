/** Whether a pod needs a (new) sandbox (kubelet pkg/kubelet/kuberuntime/util/util.go PodSandboxChanged). */
import type { Pod } from '../../api/types.ts';
import type { ObservedPod } from '../types.ts';

export type SandboxNeed =
  | { readonly create: false; readonly id: string }
  /** `reason` is the message of the PodReadyToStartContainers condition and part of the plan's sentence. */
  | { readonly create: true; readonly attempt: number; readonly reason: string };

/** What is to be done about the sandbox. */
export function sandboxNeed(pod: Pod, observed: ObservedPod | undefined): SandboxNeed {
  const [newest] = observed?.sandboxes ?? [];
  if (newest === undefined) return { create: true, attempt: 0, reason: 'no pod sandbox exists' };
  const again = (reason: string): SandboxNeed => ({ create: true, attempt: newest.metadata.attempt + 1, reason });
  const ready = observed?.sandboxes.filter((sandbox) => sandbox.state === 'ready').length ?? 0;
  if (ready > 1) return again('multiple pod sandboxes are ready and need to be reconciled');
  if (newest.state !== 'ready') return again('pod sandbox is not ready');
  const hostNetwork = pod.spec.hostNetwork === true;
  if ((newest.namespaceOptions.network === 'node') !== hostNetwork)
    return again('network namespace mode changed and sandbox needs to be recreated');
  if (!hostNetwork && newest.ips.length === 0) return again('pod sandbox has no IP address');
  return { create: false, id: newest.id };
}
