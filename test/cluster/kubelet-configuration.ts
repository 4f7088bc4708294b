import { join } from 'node:path';
import type { ControlPlane } from './control-plane.ts';
import type { TestNode } from './node.ts';

/**
 * A KubeletConfiguration that fits a node of the test bed: its address, cgroup
 * root and folders, the cluster's authority, a serving certificate. Both the
 * agent and the upstream kubelet take it.
 *
 * @param more fields that are added or replaced.
 */
export async function kubeletConfiguration(
  node: TestNode,
  controlPlane: ControlPlane,
  nodeName: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Record<string, unknown>> {
  const serving = await controlPlane.servingCert(nodeName, [node.address]);
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: node.address,
    port: 10250,
    tlsCertFile: serving.certificate,
    tlsPrivateKeyFile: serving.key,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: controlPlane.caFile },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: node.cgroupRoot,
    podLogsDir: join(node.dir, 'pod-logs'),
    clusterDomain: 'cluster.local',
    clusterDNS: ['10.96.0.10'],
    failSwapOn: false,
    failCgroupV1: false,
    ...more,
  };
}
