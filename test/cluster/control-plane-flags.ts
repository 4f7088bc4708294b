import { join } from 'node:path';

/** Where a control plane listens and keeps its files. */
export interface ControlPlanePlace {
  /** The address of everything that it serves; pods and nodes can reach it. */
  readonly address: string;
  readonly dir: string;
  readonly pki: string;
  readonly ports: {
    readonly api: number;
    readonly etcd: number;
    readonly etcdPeer: number;
    readonly controllerManager: number;
    readonly scheduler: number;
  };
}

/** What tests may want different. */
export interface ControlPlaneFlags {
  /** Give each node a range of pod addresses out of this CIDR; off unless told, since nodes bring their own. */
  readonly clusterCidr?: string | undefined;
  readonly featureGates?: Readonly<Record<string, boolean>> | undefined;
  /** More flags, by program. */
  readonly extra?:
    | { readonly apiServer?: readonly string[]; readonly controllerManager?: readonly string[]; readonly scheduler?: readonly string[] }
    | undefined;
}

/** Addresses of Services, as kubeadm has them. */
export const serviceRange = '10.96.0.0/12';
/** The address of the API server's own Service: the first of the range. */
export const apiServiceAddress = '10.96.0.1';

/** etcd that survives its process but not the machine: no fsync, four times as fast here. */
export function etcdFlags(place: ControlPlanePlace): string[] {
  const client = `http://${place.address}:${place.ports.etcd.toString()}`;
  const peer = `http://${place.address}:${place.ports.etcdPeer.toString()}`;
  return [
    '--name=test',
    `--data-dir=${join(place.dir, 'etcd')}`,
    '--unsafe-no-fsync',
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=test=${peer}`,
    '--log-level=warn',
  ];
}

/** kube-apiserver as kubeadm would run it, with node authorization, bootstrap tokens and aggregation. */
export function apiServerFlags(place: ControlPlanePlace, flags: ControlPlaneFlags): string[] {
  const pki = (name: string): string => join(place.pki, name);
  return [
    `--bind-address=${place.address}`,
    `--advertise-address=${place.address}`,
    `--secure-port=${place.ports.api.toString()}`,
    `--etcd-servers=http://${place.address}:${place.ports.etcd.toString()}`,
    `--service-cluster-ip-range=${serviceRange}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--enable-bootstrap-token-auth=true',
    '--anonymous-auth=true',
    '--allow-privileged=true',
    `--client-ca-file=${pki('ca.crt')}`,
    `--tls-cert-file=${pki('apiserver.crt')}`,
    `--tls-private-key-file=${pki('apiserver.key')}`,
    `--kubelet-client-certificate=${pki('kubelet-client.crt')}`,
    `--kubelet-client-key=${pki('kubelet-client.key')}`,
    `--kubelet-certificate-authority=${pki('ca.crt')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${pki('service-account.pub')}`,
    `--service-account-signing-key-file=${pki('service-account.key')}`,
    `--requestheader-client-ca-file=${pki('front-proxy-ca.crt')}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${pki('front-proxy.crt')}`,
    `--proxy-client-key-file=${pki('front-proxy.key')}`,
    // The server is not on a node: no kube-proxy translates its calls to Services.
    '--enable-aggregator-routing=true',
    ...featureGates(flags),
    ...(flags.extra?.apiServer ?? []),
  ];
}

/** kube-controller-manager with all controllers, and those that only a bootstrap needs. */
export function controllerManagerFlags(place: ControlPlanePlace, flags: ControlPlaneFlags): string[] {
  const pki = (name: string): string => join(place.pki, name);
  const allocate =
    flags.clusterCidr === undefined
      ? ['--allocate-node-cidrs=false']
      : ['--allocate-node-cidrs=true', `--cluster-cidr=${flags.clusterCidr}`];
  return [
    ...client(place, 'controller-manager', place.ports.controllerManager),
    '--controllers=*,bootstrapsigner,tokencleaner',
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${pki('service-account.key')}`,
    `--root-ca-file=${pki('ca.crt')}`,
    `--cluster-signing-cert-file=${pki('ca.crt')}`,
    `--cluster-signing-key-file=${pki('ca.key')}`,
    `--service-cluster-ip-range=${serviceRange}`,
    ...allocate,
    ...featureGates(flags),
    ...(flags.extra?.controllerManager ?? []),
  ];
}

/** kube-scheduler with its default profile. */
export function schedulerFlags(place: ControlPlanePlace, flags: ControlPlaneFlags): string[] {
  return [...client(place, 'scheduler', place.ports.scheduler), ...featureGates(flags), ...(flags.extra?.scheduler ?? [])];
}

function client(place: ControlPlanePlace, name: string, port: number): string[] {
  const config = join(place.dir, `${name}.kubeconfig`);
  return [
    `--kubeconfig=${config}`,
    `--authentication-kubeconfig=${config}`,
    `--authorization-kubeconfig=${config}`,
    `--bind-address=${place.address}`,
    `--secure-port=${port.toString()}`,
    `--tls-cert-file=${join(place.pki, 'component.crt')}`,
    `--tls-private-key-file=${join(place.pki, 'component.key')}`,
    '--leader-elect=false',
  ];
}

function featureGates(flags: ControlPlaneFlags): string[] {
  const gates = Object.entries(flags.featureGates ?? {}).map(([name, on]) => `${name}=${String(on)}`);
  return gates.length === 0 ? [] : [`--feature-gates=${gates.join(',')}`];
}
