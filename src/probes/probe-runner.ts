/** One try of a probe, whatever its handler (kubelet pkg/kubelet/prober/prober.go). */
import { resolveContainerPort } from '../api/int-or-string.ts';
import { errorMessage } from '../lib/errors.ts';
import { probeCommand } from './handlers/exec.ts';
import { probeGrpc } from './handlers/grpc.ts';
import { probeHttp } from './handlers/http.ts';
import { probeTcp } from './handlers/tcp.ts';
import type { ContainerProbe } from './probe-spec.ts';
import type { ProbeTarget } from './probe-worker.ts';
import type { ProbeManagerDeps, ProbeOutcome } from './types.ts';

export type RunProbe = (probe: ContainerProbe, target: ProbeTarget, timeoutMs: number, signal: AbortSignal) => Promise<ProbeOutcome>;

/** Never rejects but for an abort: what goes wrong on the agent's side is an outcome. */
export function createProbeRunner(deps: ProbeManagerDeps): RunProbe {
  const userAgent = `kube-probe/${deps.version}`;
  return async ({ container, probe }, target, timeoutMs, signal) => {
    const { exec, httpGet, tcpSocket, grpc } = probe;
    const host = (given: string | undefined): string => (given === undefined || given === '' ? podAddress(deps, target) : given);
    try {
      if (exec !== undefined) {
        return await probeCommand(
          deps.runtime,
          { containerId: target.containerId, container, command: exec.command ?? [], timeoutMs },
          signal,
        );
      }
      if (httpGet !== undefined) {
        const { scheme = 'HTTP', path = '', httpHeaders = [], port } = httpGet;
        const address = { host: host(httpGet.host), port: resolveContainerPort(port, container) };
        const request = { ...address, scheme, path, headers: httpHeaders, userAgent, timeoutMs };
        return await probeHttp(deps.clock, request, signal);
      }
      if (tcpSocket !== undefined) {
        const address = { host: host(tcpSocket.host), port: resolveContainerPort(tcpSocket.port, container) };
        return await probeTcp(deps.clock, { ...address, timeoutMs }, signal);
      }
      if (grpc !== undefined) {
        return await probeGrpc(deps.grpc, { host: host(''), port: grpc.port, service: grpc.service ?? '', userAgent, timeoutMs }, signal);
      }
      const { name, namespace, uid } = target.pod.metadata;
      return { outcome: 'error', output: `missing probe handler for ${name}_${namespace}(${uid}):${container.name}` };
    } catch (error) {
      signal.throwIfAborted();
      return { outcome: 'error', output: errorMessage(error) };
    }
  };
}

function podAddress({ hostIPs }: ProbeManagerDeps, { pod, observed }: ProbeTarget): string {
  const address = pod.spec.hostNetwork === true ? hostIPs()[0] : observed.sandboxes[0]?.ips[0];
  if (address === undefined) throw new Error('the pod has no IP address');
  return address;
}
