/** `started` and `ready` of containers, from their state and their probes (kubelet prober_manager.go UpdatePodStatus). */
import type { ContainerSpec, ContainerStatusObject } from '../../api/types.ts';
import { isSidecar } from '../pod-view.ts';
import type { ProbeKind } from '../ports.ts';
import type { PodStatusInput } from './types.ts';

/** The statuses with both fields filled in. */
export function withReadiness(
  input: PodStatusInput,
  statuses: readonly ContainerStatusObject[],
  specs: readonly ContainerSpec[],
  old: readonly ContainerStatusObject[] | undefined,
  isInit: boolean,
): ContainerStatusObject[] {
  return statuses.map((status) => {
    const spec = specs.find(({ name }) => name === status.name);
    const before = old?.find(({ name, containerID }) => name === status.name && containerID === status.containerID);
    if (spec === undefined) return status;
    const running = status.state?.running !== undefined;
    const started = running && probed(input, 'startup', spec, status, before?.started === true);
    if (isInit && !isSidecar(spec)) return { ...status, started, ready: status.state?.terminated?.exitCode === 0 };
    return { ...status, started, ready: started && probed(input, 'readiness', spec, status, before?.ready === true) };
  });
}

/** Without such a probe yes; before its first result what was reported of this very instance (before a restart of the agent). */
function probed(input: PodStatusInput, kind: ProbeKind, spec: ContainerSpec, status: ContainerStatusObject, before: boolean): boolean {
  const probe = kind === 'startup' ? spec.startupProbe : spec.readinessProbe;
  if (probe === undefined) return true;
  const id = status.containerID?.slice(`${input.runtimeName}://`.length) ?? '';
  const result = input.probes.get(kind, id);
  return result === undefined ? before : result === 'success';
}
