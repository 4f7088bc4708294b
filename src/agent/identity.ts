/** Who the node is to the API server, and what it shows to those who call it: kubeconfig, bootstrap, certificates. */
import { readFile } from 'node:fs/promises';
import { bootstrapClientCertificate, CLIENT_PREFIX } from '../cluster/bootstrap.ts';
import { CertificateManager, nodeSubject } from '../cluster/certificate-manager.ts';
import { CertificateStore } from '../cluster/certificate-store.ts';
import { createClusterAccess, loadClusterAccess, type ClusterAccess } from '../cluster/credentials.ts';
import { CLIENT_SIGNER, SERVING_SIGNER } from '../cluster/csr.ts';
import { selfSignedServing } from '../cluster/self-signed.ts';
import type { CertificateSource } from '../cluster/types.ts';
import type { Config } from '../config/config.ts';
import { backoffDelay, type BackoffPolicy } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, InvalidInputError, isAbort, isFailedPrecondition, isInvalidInput } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { TlsMaterial } from '../server/types.ts';
import { connect, type ClusterParts } from './cluster-parts.ts';

/** An API server that is away at the very start is waited for. */
const BOOTSTRAP_RETRY: BackoffPolicy = { initialMs: 1_000, maxMs: 30_000, factor: 2, jitter: 0.2 };
const SERVING_PREFIX = 'kubelet-server';

/**
 * The configured credentials, obtained by TLS bootstrap if they are not there yet. `undefined`: none are configured.
 * @throws InvalidInputError for a kubeconfig that cannot be used, FailedPreconditionError when the cluster denies a certificate
 */
export async function clusterAccess(config: Config, clock: Clock, log: Logger, signal: AbortSignal): Promise<ClusterAccess | undefined> {
  const { kubeconfig, bootstrapKubeconfig } = config.shorelet;
  if (bootstrapKubeconfig !== '') await bootstrap(config, clock, log, signal);
  if (kubeconfig !== '') return loadClusterAccess({ kubeconfig, clock, env: process.env });
  const inCluster = process.env['KUBERNETES_SERVICE_HOST'] !== undefined;
  return inCluster ? loadClusterAccess({ kubeconfig: undefined, clock, env: process.env }) : undefined;
}

async function bootstrap(config: Config, clock: Clock, log: Logger, signal: AbortSignal): Promise<void> {
  const { shorelet, derived } = config;
  const options = {
    kubeconfig: shorelet.kubeconfig,
    bootstrapKubeconfig: shorelet.bootstrapKubeconfig,
    certDirectory: derived.certDirectory,
    nodeName: derived.nodeName,
    clock,
    log,
    connect: (context: Parameters<typeof createClusterAccess>[0]) => {
      const connection = connect(config, createClusterAccess(context, clock, process.env), clock, log);
      return { csr: connection.reflectors, close: () => connection.close() };
    },
  };
  for (let failures = 1; ; failures += 1) {
    try {
      await bootstrapClientCertificate(options, signal);
      return;
    } catch (error) {
      // Denied by the cluster, or a kubeconfig that is no good: trying again changes nothing. A token may yet become valid.
      if (isFailedPrecondition(error) || isInvalidInput(error) || isAbort(error)) throw error;
      if (failures === 1) log.warn('No client certificate can be asked for yet; retrying', { error: errorMessage(error) });
      await clock.sleep(backoffDelay(BOOTSTRAP_RETRY, failures), signal);
    }
  }
}

export interface Identity {
  /** Of the HTTPS server. */
  readonly tls: TlsMaterial;
  /** Renews certificates until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * The certificates of this node: that of the HTTPS server (configured files, or from the cluster with serverTLSBootstrap, or signed by itself),
 * and the client's, renewed with rotateCertificates where it came from a bootstrap.
 * @throws InvalidInputError naming a file that cannot be read
 */
export async function createIdentity(
  config: Config,
  cluster: ClusterParts,
  access: ClusterAccess | undefined,
  addresses: () => readonly string[],
  clock: Clock,
): Promise<Identity> {
  const { kubelet, shorelet } = config;
  const managers: CertificateManager[] = [];
  if (access !== undefined && kubelet.rotateCertificates && shorelet.bootstrapKubeconfig !== '') {
    const client = manager(config, cluster, CLIENT_PREFIX, CLIENT_SIGNER, () => []);
    client.onChange(() => access.refresh());
    managers.push(client);
  }
  const own = await servingPair(config, addresses, clock);
  if (!kubelet.serverTLSBootstrap || kubelet.tlsCertFile !== '' || access === undefined) {
    return { tls: tlsOf(own, undefined), run: (signal) => runAll(managers, signal) };
  }
  const serving = manager(config, cluster, SERVING_PREFIX, SERVING_SIGNER, addresses);
  managers.push(serving);
  await serving.load();
  return { tls: tlsOf(own, serving), run: (signal) => runAll(managers, signal) };
}

function manager(
  { derived }: Config,
  { connection }: ClusterParts,
  prefix: string,
  signer: typeof CLIENT_SIGNER | typeof SERVING_SIGNER,
  addresses: () => readonly string[],
): CertificateManager {
  const { nodeName, certDirectory } = derived;
  const serves = signer === SERVING_SIGNER;
  return new CertificateManager({
    context: connection.reflectors,
    store: new CertificateStore(certDirectory, prefix),
    signer,
    template: () => {
      const ipAddresses = addresses();
      if (serves && ipAddresses.length === 0) return undefined;
      return { subject: nodeSubject(nodeName), altNames: { dnsNames: serves ? [nodeName] : [], ipAddresses } };
    },
  });
}

async function runAll(managers: readonly CertificateManager[], signal: AbortSignal): Promise<void> {
  await Promise.all(
    managers.map(async (certificates) => {
      await certificates.load();
      await certificates.run(signal);
    }),
  );
}

/** The issued certificate once there is one; until then the node's own. */
function tlsOf(own: CertificateSource, issued: CertificateManager | undefined): TlsMaterial {
  return {
    current: () => {
      const pair = issued?.current() ?? own.current();
      if (pair === undefined) throw new InvalidInputError('tlsCertFile: there is no certificate to serve with');
      return pair;
    },
    onChange: (listener) => issued?.onChange(listener) ?? own.onChange(listener),
  };
}

async function servingPair(config: Config, addresses: () => readonly string[], clock: Clock): Promise<CertificateSource> {
  const { kubelet, derived } = config;
  const { tlsCertFile, tlsPrivateKeyFile } = kubelet;
  if (tlsCertFile !== '') {
    const pair = {
      cert: await readConfigured('tlsCertFile', tlsCertFile),
      key: await readConfigured('tlsPrivateKeyFile', tlsPrivateKeyFile),
    };
    return { current: () => pair, onChange: () => () => undefined };
  }
  const altNames = { dnsNames: [derived.nodeName], ipAddresses: addresses() };
  return await selfSignedServing({ certDirectory: derived.certDirectory, nodeName: derived.nodeName, altNames, clock });
}

/** @throws InvalidInputError naming the field */
export async function readConfigured(field: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new InvalidInputError(`${field}: the file cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}
