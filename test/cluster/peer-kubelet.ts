import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { kubeletBinary } from './binaries.ts';
import { exists } from './cache.ts';
import { createComponent, type Component } from './component.ts';
import { tailOf } from './daemon.ts';
import { imageArchive, imageTag } from './images.ts';
import type { ImageName } from './image-recipes.ts';
import { kubeletConfiguration } from './kubelet-configuration.ts';
import type { TestNode } from './node.ts';
import { run } from './run.ts';
import type { TestBed } from './test-bed.ts';
import { waitFor } from './wait.ts';

/** Which machine of the test bed the peer gets, and what it should have. */
export interface PeerOptions {
  /** The Kubernetes node's name. */
  readonly nodeName: string;
  /** A machine on which no engine of the test bed runs. */
  readonly machine: TestNode;
  /** Images to import; the sandbox image is always among them. */
  readonly images?: readonly ImageName[];
  readonly signal?: AbortSignal | undefined;
}

/** The upstream kubelet on Debian's containerd, over CRI, with a CNI bridge. */
export interface PeerKubelet {
  readonly nodeName: string;
  readonly machine: TestNode;
  readonly containerd: Component;
  readonly kubelet: Component;
  /** `performance.now()` of the kubelet's start. */
  readonly startedAt: number;
  /** Waits until the API server says that the node is Ready. */
  ready(timeoutMs?: number): Promise<unknown>;
  /** Stops both. */
  stop(): Promise<void>;
}

/** Folders that are compiled into the kubelet and libcni. The peer sees its own in their place. */
const compiledIn = ['/var/lib/kubelet', '/var/log/containers', '/var/lib/cni'] as const;
/** What the kubelet sets on its machine when it starts (`setupKernelTunables` in pkg/kubelet/cm). The peer sets its own copies. */
const tunables = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
] as const;

/** Starts the peer. It goes when the slot is released; `stop` also removes the empty folders that it needed. */
export async function startPeerKubelet(bed: TestBed, options: PeerOptions): Promise<PeerKubelet> {
  const { machine, nodeName, signal } = options;
  const program = await kubeletBinary(machine.slot.progress, signal);
  const socketPath = join(machine.runDir, 'containerd.sock');
  const containerd = await createContainerd(machine, socketPath);
  const mountPoints = await makeMountPoints();
  let kubelet: Component | undefined;
  const stop = async (): Promise<void> => {
    await kubelet?.stop();
    await containerd.stop();
    // Not empty means that somebody else has begun to use it.
    for (const folder of mountPoints) await rmdir(folder).catch(() => undefined);
  };
  try {
    await containerd.start(signal);
    await importImages(machine, socketPath, ['pause', ...(options.images ?? [])], signal);
    await makeCgroupRoot(machine);
    const started = await createKubelet(bed, options, program, socketPath, containerd.pid);
    kubelet = started;
    const startedAt = performance.now();
    await started.start(signal);
    const ready = (timeoutMs = 60_000): Promise<unknown> => {
      const jsonpath = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}';
      return waitFor(
        `node ${nodeName} to be Ready`,
        async () => (await bed.controlPlane.kubectl(['get', 'node', nodeName, jsonpath])).stdout === 'True',
        { timeoutMs, signal, explain: () => tailOf(started.logFile) },
      );
    };
    return { nodeName, machine, containerd, kubelet: started, startedAt, ready, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function createContainerd(machine: TestNode, socketPath: string): Promise<Component> {
  const cniConfiguration = join(machine.dir, 'cni');
  await mkdir(cniConfiguration, { recursive: true });
  await writeFile(join(cniConfiguration, '10-bridge.conflist'), JSON.stringify(bridgeNetwork(machine)));
  const configuration = [
    'version = 2',
    `root = "${join(machine.dir, 'containerd')}"`,
    `state = "${join(machine.runDir, 'containerd')}"`,
    '[grpc]',
    `address = "${socketPath}"`,
    '[plugins."io.containerd.internal.v1.opt"]',
    `path = "${join(machine.dir, 'containerd-opt')}"`,
    '[plugins."io.containerd.grpc.v1.cri"]',
    `sandbox_image = "${imageTag('pause')}"`,
    // The machine may lack CAP_SYS_RESOURCE: no score below containerd's own.
    'restrict_oom_score_adj = true',
    'netns_mounts_under_state_dir = true',
    `stream_server_address = "${machine.address}"`,
    '[plugins."io.containerd.grpc.v1.cri".cni]',
    `bin_dir = "${machine.slot.tools.cniPlugins}"`,
    `conf_dir = "${cniConfiguration}"`,
  ];
  const configurationFile = join(machine.dir, 'peer-containerd.toml');
  await writeFile(configurationFile, `${configuration.join('\n')}\n`);
  return createComponent(machine.slot, {
    name: `containerd of ${machine.name}`,
    command: [
      ...machine.enter,
      // A mount namespace for both programs. Shared inside, so that mounts reach the containers that ask for them.
      ...['unshare', '--mount', '--propagation=private', '--', 'sh', await writePrivateMounts(machine)],
      ...[await machine.slot.tools.find('containerd'), '--config', configurationFile],
    ],
    logFile: join(machine.dir, 'peer-containerd.log'),
    ready: () => accepts(socketPath),
  });
}

/** A script that gives its mount namespace what the peer would change on the machine, then becomes the command it is given. */
async function writePrivateMounts(machine: TestNode): Promise<string> {
  const dir = join(machine.dir, 'peer-mounts');
  const lines = ['set -e', 'mount --make-rshared /'];
  const bind = (source: string, target: string): void => void lines.push(`mount --bind '${source}' '${target}'`);
  for (const folder of compiledIn) {
    await mkdir(join(dir, folder), { recursive: true });
    bind(join(dir, folder), folder);
  }
  for (const name of tunables) {
    const path = join('/proc/sys', name);
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), await readFile(path));
    bind(join(dir, path), path);
  }
  lines.push('exec "$@"');
  const script = join(machine.dir, 'peer-mounts.sh');
  await writeFile(script, `${lines.join('\n')}\n`);
  return script;
}

/** Those of the compiled-in folders that were not there and are now. */
async function makeMountPoints(): Promise<string[]> {
  const made: string[] = [];
  for (const folder of compiledIn) {
    if (await exists(folder)) continue;
    await mkdir(folder, { recursive: true });
    made.push(folder);
  }
  return made;
}

function bridgeNetwork(machine: TestNode): object {
  return {
    cniVersion: '1.0.0',
    name: 'peer',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir: join(machine.dir, 'cni-addresses'),
          ranges: [[{ subnet: machine.cniRange }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  };
}

async function createKubelet(
  bed: TestBed,
  options: PeerOptions,
  program: string,
  socketPath: string,
  containerdPid: number,
): Promise<Component> {
  const { machine, nodeName } = options;
  const rootDir = join(machine.dir, 'kubelet');
  const configuration = await kubeletConfiguration(machine, bed.controlPlane, nodeName, {
    containerRuntimeEndpoint: `unix://${socketPath}`,
    volumePluginDir: join(machine.dir, 'volume-plugins'),
    oomScoreAdj: 0,
    healthzPort: 0,
  });
  await mkdir(rootDir, { recursive: true });
  const configurationFile = join(machine.dir, 'kubelet.json');
  await writeFile(configurationFile, JSON.stringify(configuration, undefined, 2));
  const flags = {
    config: configurationFile,
    kubeconfig: await bed.controlPlane.nodeKubeconfig(nodeName),
    'root-dir': rootDir,
    'cert-dir': join(rootDir, 'pki'),
    'hostname-override': nodeName,
    'node-ip': machine.address,
  };
  return createComponent(machine.slot, {
    name: `kubelet of ${machine.name}`,
    command: [
      // Network and mount namespace.
      ...['nsenter', `--target=${containerdPid.toString()}`, '--net', '--mount', '--', program],
      ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    ],
    logFile: join(machine.dir, 'kubelet.log'),
    // Ready is what its user asks the cluster about; here it is enough that it runs.
    ready: () => Promise.resolve(true),
  });
}

async function importImages(machine: TestNode, socketPath: string, names: readonly ImageName[], signal?: AbortSignal): Promise<void> {
  const { tools, progress, env } = machine.slot;
  const ctr = await tools.find('ctr');
  for (const name of new Set(names)) {
    const archive = await imageArchive(name, { tools, progress, signal });
    await run([ctr, '--address', socketPath, '--namespace', 'k8s.io', 'images', 'import', archive], { env, signal, timeoutMs: 180_000 });
  }
}

/** The kubelet makes `kubepods` below its cgroup root, but not the root itself. */
async function makeCgroupRoot(machine: TestNode): Promise<void> {
  const top = '/sys/fs/cgroup';
  // cgroup v2 has its controllers at the top, v1 a folder for each.
  const hierarchies = (await exists(join(top, 'cgroup.controllers'))) ? [top] : (await readdir(top)).map((name) => join(top, name));
  for (const hierarchy of hierarchies) await mkdir(join(hierarchy, machine.cgroupRoot), { recursive: true });
}

function accepts(socketPath: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', reject);
  });
}
