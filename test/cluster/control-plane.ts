import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { controlPlanePrograms } from './binaries.ts';
import { certificateFiles, controlPlaneCertificates, kubeconfig, makeCertificates, type CertificateRequest } from './certificates.ts';
import { createComponent, type Component, type ComponentOptions } from './component.ts';
import {
  apiServerFlags,
  apiServiceAddress,
  controllerManagerFlags,
  etcdFlags,
  schedulerFlags,
  type ControlPlaneFlags,
  type ControlPlanePlace,
} from './control-plane-flags.ts';
import { bootstrapTokenManifest, clusterManifests, newBootstrapToken } from './control-plane-manifests.ts';
import { freePort } from './ports.ts';
import { run, type RunResult } from './run.ts';
import type { Slot } from './slot.ts';

/** How to call kubectl. */
export interface KubectlOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** Return any exit code instead of throwing. */
  readonly anyExit?: boolean;
  /** Another kubeconfig than the administrator's. */
  readonly kubeconfig?: string;
}

/** A certificate and its key, as paths. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** A real control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler. */
export interface ControlPlane {
  /** URL of the API server, on an address that nodes and pods can reach. */
  readonly server: string;
  readonly dir: string;
  readonly adminKubeconfig: string;
  readonly caFile: string;
  readonly caKeyFile: string;
  /** A program `kubectl` for a person to run. */
  readonly kubectlPath: string;
  readonly etcd: Component;
  readonly apiServer: Component;
  readonly controllerManager: Component;
  readonly scheduler: Component;
  /** Runs kubectl as administrator. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<RunResult>;
  /** `kubectl … -o json`, parsed. The caller says what to expect and checks what it relies on. */
  get(args: readonly string[], options?: KubectlOptions): Promise<unknown>;
  /** `kubectl apply` of a list of objects, or of YAML text. */
  apply(manifest: string | readonly unknown[], options?: KubectlOptions): Promise<void>;
  /** A kubeconfig with the client certificate of a node: `system:node:<name>` in `system:nodes`. */
  nodeKubeconfig(nodeName: string): Promise<string>;
  /** A kubeconfig with a fresh bootstrap token, for a node that asks for its certificate itself. */
  bootstrapKubeconfig(): Promise<string>;
  /** A kubeconfig with any bearer token. */
  tokenKubeconfig(name: string, token: string): Promise<string>;
  /** A serving certificate for a node's HTTPS server, signed by the cluster's authority. */
  servingCert(nodeName: string, addresses: readonly string[]): Promise<CertificateFiles>;
  /** Any certificate, signed by the cluster's authority unless it says otherwise. */
  certificate(request: CertificateRequest): Promise<CertificateFiles>;
  stop(): Promise<void>;
}

/** Starts a control plane in a slot and waits until it answers and its own objects are made. */
export async function startControlPlane(slot: Slot, options: ControlPlaneFlags = {}, signal?: AbortSignal): Promise<ControlPlane> {
  const programs = await controlPlanePrograms(slot.progress, signal);
  const dir = join(slot.dir, 'control-plane');
  const place = await findPlace(slot, dir);
  await mkdir(place.pki, { recursive: true });
  const requests = controlPlaneCertificates(place.address, apiServiceAddress);
  await makeCertificates(programs.binary, place.pki, requests, ['service-account'], signal);
  const server = `https://${place.address}:${place.ports.api.toString()}`;
  const caFile = join(place.pki, 'ca.crt');
  const ca = await readFile(caFile);

  const writeKubeconfig = async (name: string, text: string): Promise<string> => {
    const path = join(dir, `${name}.kubeconfig`);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const certificateKubeconfig = (name: string): Promise<string> =>
    writeKubeconfig(name, kubeconfig(server, caFile, certificateFiles(place.pki, name)));
  const adminKubeconfig = await certificateKubeconfig('admin');
  await certificateKubeconfig('controller-manager');
  await certificateKubeconfig('scheduler');
  const kubectlPath = await writeKubectl(dir, programs.kubectl);

  const component = (name: string, command: readonly string[], ready: ComponentOptions['ready']): Component =>
    createComponent(slot, { name, command, logFile: join(dir, `${name}.log`), ready });
  const health = (port: number, path: string): ComponentOptions['ready'] => {
    const url = `https://${place.address}:${port.toString()}${path}`;
    return (abort) => answersOk(url, ca, abort);
  };
  const etcd = component('etcd', [...programs.etcd, ...etcdFlags(place)], () => Promise.resolve(true));
  const apiServer = component(
    'kube-apiserver',
    [...programs.apiServer, ...apiServerFlags(place, options)],
    health(place.ports.api, '/readyz'),
  );
  const controllerManager = component(
    'kube-controller-manager',
    [programs.binary, 'kube-controller-manager', ...controllerManagerFlags(place, options)],
    health(place.ports.controllerManager, '/healthz'),
  );
  const scheduler = component(
    'kube-scheduler',
    [programs.binary, 'kube-scheduler', ...schedulerFlags(place, options)],
    health(place.ports.scheduler, '/readyz'),
  );

  const plane: ControlPlane = {
    server,
    dir,
    adminKubeconfig,
    caFile,
    caKeyFile: join(place.pki, 'ca.key'),
    kubectlPath,
    etcd,
    apiServer,
    controllerManager,
    scheduler,
    kubectl(args, more = {}) {
      const { kubeconfig: config = adminKubeconfig, env, ...rest } = more;
      // No cache in the caller's home, no configuration of theirs.
      const own = { KUBECONFIG: config, KUBECACHEDIR: join(dir, 'kubectl-cache'), KUBERC: 'off' };
      return run([kubectlPath, ...args], { ...rest, env: { ...slot.env, ...own, ...env } });
    },
    async get(args, more) {
      return JSON.parse((await plane.kubectl(['get', ...args, '--output=json'], more)).stdout) as unknown;
    },
    async apply(manifest, more) {
      const input = typeof manifest === 'string' ? manifest : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifest });
      await plane.kubectl(['apply', '--filename=-'], { ...more, input });
    },
    async nodeKubeconfig(nodeName) {
      const commonName = `system:node:${nodeName}`;
      const request = { name: `node-${nodeName}`, commonName, organization: ['system:nodes'], client: true };
      return writeKubeconfig(`node-${nodeName}`, kubeconfig(server, caFile, await plane.certificate(request)));
    },
    async bootstrapKubeconfig() {
      const token = newBootstrapToken();
      await plane.apply([bootstrapTokenManifest(token)]);
      return writeKubeconfig(`bootstrap-${token.id}`, kubeconfig(server, caFile, { token: `${token.id}.${token.secret}` }));
    },
    tokenKubeconfig: (name, token) => writeKubeconfig(name, kubeconfig(server, caFile, { token })),
    servingCert(nodeName, addresses) {
      return plane.certificate({
        name: `serving-${nodeName}`,
        commonName: `system:node:${nodeName}`,
        organization: ['system:nodes'],
        hosts: [nodeName, ...addresses],
        server: true,
      });
    },
    async certificate(request) {
      await makeCertificates(programs.binary, place.pki, [{ issuer: 'ca', ...request }]);
      return certificateFiles(place.pki, request.name);
    },
    async stop() {
      await Promise.all([controllerManager.stop(), scheduler.stop()]);
      await apiServer.stop();
      await etcd.stop();
    },
  };
  await etcd.start(signal);
  await apiServer.start(signal);
  await Promise.all([controllerManager.start(signal), scheduler.start(signal), plane.apply(clusterManifests(), { signal })]);
  return plane;
}

/** Ports that a person recognizes, unless somebody listens on all addresses with one of them. */
async function findPlace(slot: Slot, dir: string): Promise<ControlPlanePlace> {
  const { address } = slot;
  return {
    address,
    dir,
    pki: join(dir, 'pki'),
    ports: {
      api: await freePort(address, 6443),
      etcd: await freePort(address, 2379),
      etcdPeer: await freePort(address, 2380),
      controllerManager: await freePort(address, 10257),
      scheduler: await freePort(address, 10259),
    },
  };
}

/** The multi-call binary is kubectl when it is called so. */
async function writeKubectl(dir: string, command: readonly string[]): Promise<string> {
  const bin = join(dir, 'bin');
  await mkdir(bin, { recursive: true });
  const path = join(bin, 'kubectl');
  await rm(path, { force: true });
  await symlink(command[0] ?? '', path);
  return path;
}

function answersOk(url: string, ca: Buffer, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca, signal, agent: false, timeout: 5_000 }, (answer) => {
      answer.resume();
      if (answer.statusCode === 200) resolve(true);
      else reject(new Error(`${url}: ${String(answer.statusCode)}`));
    });
    sent.on('timeout', () => sent.destroy(new Error(`${url}: no answer within 5 s`)));
    sent.on('error', reject);
    sent.end();
  });
}
