import { mkdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { createDockerService } from '../../../src/dockershim/docker-service.ts';
import { DOCKERSHIM_DEFAULTS, type DockershimSettings } from '../../../src/dockershim/settings.ts';
import type { DockerService } from '../../../src/dockershim/types.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { createLogger } from '../../../src/lib/log.ts';
import { dockerBridgeNetwork } from '../../../src/network/docker-bridge.ts';
import { createNetnsDialer } from '../../../src/network/netns-dialer.ts';
import type { SandboxNetwork } from '../../../src/network/sandbox-network.ts';
import { startRegistry } from '../../cluster/registry.ts';
import { startTestBed, type TestBed } from '../../cluster/test-bed.ts';
import type { RuntimeUnderTest } from './bed.ts';

const PROGRESS_DEADLINE_MS = 1_500;
/** Every slot of the test bed: the silent registry is on this machine's side of it. */
const TEST_NETWORKS = '10.192.0.0/11';

const logger = createLogger({ level: process.env['CONTRACT_LOG'] === 'debug' ? 'debug' : 'error', format: 'text' });

/** An engine of the test bed's with the images and registries that the contract's cases want. */
export async function startDockerBed(): Promise<TestBed> {
  return startTestBed({
    controlPlane: false,
    engine: { insecureRegistries: [TEST_NETWORKS] },
    images: ['pause', 'busybox', 'nonroot'],
    progress: (line) => console.error(line),
  });
}

/** Settings of a dockershim on the test bed's engine. */
export function settingsOn(bed: TestBed, changes: Partial<DockershimSettings> = {}): DockershimSettings {
  return {
    ...DOCKERSHIM_DEFAULTS,
    dockerEndpoint: bed.engine.host,
    instanceId: 'contract',
    rootDirectory: path.join(bed.node.dir, 'dockershim'),
    imagePullProgressDeadlineMs: PROGRESS_DEADLINE_MS,
    cgroupParent: `${bed.node.cgroupRoot}/pods`,
    ...changes,
  };
}

/** A dockershim in this process. */
export async function startDockershim(settings: DockershimSettings, network: SandboxNetwork = dockerBridgeNetwork): Promise<DockerService> {
  const service = createDockerService(settings, {
    clock: systemClock,
    logger,
    network,
    dialer: createNetnsDialer({ clock: systemClock, log: logger, helperCommand: [process.execPath, netnsHelper] }),
  });
  await service.start(new AbortController().signal);
  return service;
}

const netnsHelper = path.resolve(import.meta.dirname, '../../../src/network/netns-helper.ts');

/** DockerService in process, on an engine of its own. */
export async function dockerServiceUnderTest(): Promise<RuntimeUnderTest> {
  const bed = await startDockerBed();
  const silent = createServer();
  try {
    await new Promise<void>((resolve) => silent.listen(0, bed.slot.address, resolve));
    const user = { name: 'somebody', password: 'secret' };
    const [open, secret] = await Promise.all([startRegistry(bed.engine), startRegistry(bed.engine, { port: 5001, user })]);
    await bed.engine.docker(['build', '--quiet', '--tag', 'contract/own:1', '-'], { input: 'FROM busybox:latest\nLABEL from.image=yes\n' });
    const openImage = await open.push('contract/own:1', 'contract/open:1');
    const secretImage = { ...(await secret.push('contract/own:1', 'contract/secret:1')), username: user.name, password: user.password };
    await bed.engine.docker(['rmi', '--force', 'contract/own:1']);
    const workDirectory = path.join(bed.node.dir, 'work');
    await mkdir(workDirectory, { recursive: true });
    const settings = settingsOn(bed);
    let service = await startDockershim(settings);
    return {
      get runtime() {
        return service.runtime;
      },
      get images() {
        return service.images;
      },
      get streaming() {
        return service.streaming;
      },
      shellImage: 'busybox:latest',
      nonRootImage: 'registry.k8s.io/e2e-test-images/nonroot:1.5',
      openImage,
      secretImage,
      silentRegistry: { host: `${bed.slot.address}:${String(portOf(silent))}`, progressDeadlineMs: PROGRESS_DEADLINE_MS },
      workDirectory,
      parseLog: parseJsonLines,
      async restart() {
        await service.stop();
        service = await startDockershim(settings);
      },
      async stop() {
        await service.stop();
        silent.close();
        await bed.stop();
      },
    };
  } catch (error) {
    silent.close();
    await bed.stop();
    throw error;
  }
}

/** What a {@link Bed} needs for tests of one engine that bring no registry. */
export function dockerUnderTest(service: () => DockerService, bed: TestBed): RuntimeUnderTest {
  const nothing = { reference: '', byDigest: '', digest: '' };
  return {
    get runtime() {
      return service().runtime;
    },
    get images() {
      return service().images;
    },
    shellImage: 'busybox:latest',
    nonRootImage: '',
    openImage: nothing,
    secretImage: { ...nothing, username: '', password: '' },
    silentRegistry: { host: '', progressDeadlineMs: 0 },
    workDirectory: path.join(bed.node.dir, 'work'),
    parseLog: parseJsonLines,
    stop: () => Promise.resolve(),
  };
}

/** Lines of Docker's json-file, without their ends. */
export function parseJsonLines(content: string): { stream: string; text: string }[] {
  return content
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { log: string; stream: string })
    .map(({ log, stream }) => ({ stream, text: log.replace(/\n$/, '') }));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
