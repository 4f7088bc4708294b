import { binding } from './control-plane-manifests.ts';
import { imageTag } from './images.ts';

const name = 'kube-proxy';
const namespace = 'kube-system';
const configFolder = '/var/lib/kube-proxy';

/**
 * kube-proxy as a DaemonSet with what it needs, for a cluster whose API server is
 * at `server`. Not privileged, as upstream has it, but with the one capability it
 * uses, so that it runs on machines that cannot start privileged containers.
 */
export function kubeProxyManifests(server: string): readonly unknown[] {
  const metadata = { name, namespace };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    binding('shorelet-test:kube-proxy', 'system:node-proxier', {
      kind: 'ServiceAccount',
      name,
      namespace,
    }),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: configuration(server) },
    { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { ...metadata, labels: { 'k8s-app': name } }, spec: daemonSet() },
  ];
}

function daemonSet(): unknown {
  const container = {
    name,
    image: imageTag('kube-proxy'),
    imagePullPolicy: 'IfNotPresent',
    args: [`--config=${configFolder}/config.conf`, '--hostname-override=$(NODE_NAME)'],
    env: [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
    securityContext: { capabilities: { add: ['NET_ADMIN'] } },
    volumeMounts: [{ name: 'config', mountPath: configFolder }],
  };
  return {
    selector: { matchLabels: { 'k8s-app': name } },
    template: {
      metadata: { labels: { 'k8s-app': name } },
      spec: {
        serviceAccountName: name,
        hostNetwork: true,
        priorityClassName: 'system-node-critical',
        tolerations: [{ operator: 'Exists' }],
        containers: [container],
        volumes: [{ name: 'config', configMap: { name } }],
      },
    },
  };
}

/** The files of the config map. */
export function configuration(server: string): Readonly<Record<string, string>> {
  const secrets = '/var/run/secrets/kubernetes.io/serviceaccount';
  const config = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    bindAddress: '0.0.0.0',
    mode: 'iptables',
    clientConnection: { kubeconfig: `${configFolder}/kubeconfig.conf` },
    // All of these want sysctls that a container may not write.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    iptables: { localhostNodePorts: false },
  };
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'default', cluster: { server, 'certificate-authority': `${secrets}/ca.crt` } }],
    users: [{ name: 'default', user: { tokenFile: `${secrets}/token` } }],
    contexts: [{ name: 'default', context: { cluster: 'default', user: 'default' } }],
    'current-context': 'default',
  };
  return { 'config.conf': JSON.stringify(config), 'kubeconfig.conf': JSON.stringify(kubeconfig) };
}
