import { mkdir, readdir, readFile, readlink, rm, rmdir, writeFile } from 'node:fs/promises';
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
  /** Stops both, and undoes what they change outside of the test bed. */
  stop(): Promise<void>;
}

/** Folders that the kubelet and libcni have compiled in; both only put links and small files there. */
const containerLogs = '/var/log/containers';
const cniResults = '/var/lib/cni/results';
/** The innermost first, as they have to be removed. */
const compiledIn = [containerLogs, cniResults, dirname(cniResults)] as const;
/** What the kubelet sets on its machine when it starts: `setupKernelTunables` in pkg/kubelet/cm. */
const tunables = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
] as const;

/** Starts the peer. Its processes and mounts go when the slot is released; call `stop` before that for the rest. */
export async function startPeerKubelet(bed: TestBed, options: PeerOptions): Promise<PeerKubelet> {
  const { machine, nodeName, signal } = options;
  const kubeletProgram = await kubeletBinary(machine.slot.progress, signal);
  const socketPath = join(machine.runDir, 'containerd.sock');
  const containerd = await createContainerd(machine, socketPath);
  const kubelet = await createKubelet(bed, options, kubeletProgram, socketPath);
  const before = await machineSettings();
  const ready = (timeoutMs = 60_000): Promise<unknown> => {
    const jsonpath = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}';
    return waitFor(
      `node ${nodeName} to be Ready`,
      async () => (await bed.controlPlane.kubectl(['get', 'node', nodeName, jsonpath])).stdout === 'True',
      { timeoutMs, signal, explain: () => tailOf(kubelet.logFile) },
    );
  };
  const stop = async (): Promise<void> => {
    await kubelet.stop();
    await containerd.stop();
    await restoreMachine(machine, before);
  };
  try {
    await containerd.start(signal);
    await importImages(machine, socketPath, ['pause', ...(options.images ?? [])], signal);
    await makeCgroupRoot(machine);
    const startedAt = performance.now();
    await kubelet.start(signal);
    return { nodeName, machine, containerd, kubelet, startedAt, ready, stop };
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
    command: [...machine.enter, await machine.slot.tools.find('containerd'), '--config', configurationFile],
    logFile: join(machine.dir, 'peer-containerd.log'),
    ready: () => accepts(socketPath),
  });
}

function bridgeNetwork(machine: TestNode): object {
  return {
    cniVersion: '1.0.0',
    name: networkName(machine),
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

/** Prefix of libcni's file names, by which ours are known. */
function networkName(machine: TestNode): string {
  return `${machine.slot.name}-peer`;
}

async function createKubelet(bed: TestBed, options: PeerOptions, program: string, socketPath: string): Promise<Component> {
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
    command: [...machine.enter, program, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)],
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

interface MachineSettings {
  readonly tunables: ReadonlyMap<string, string>;
  /** Those of the compiled-in folders that were there before. */
  readonly folders: ReadonlySet<string>;
}

async function machineSettings(): Promise<MachineSettings> {
  const values = new Map<string, string>();
  for (const name of tunables) values.set(name, await readFile(join('/proc/sys', name), 'utf8'));
  const folders = new Set<string>();
  for (const folder of compiledIn) if (await exists(folder)) folders.add(folder);
  return { tunables: values, folders };
}

async function restoreMachine(machine: TestNode, before: MachineSettings): Promise<void> {
  for (const [name, value] of before.tunables) {
    const path = join('/proc/sys', name);
    if ((await readFile(path, 'utf8')) !== value) await writeFile(path, value);
  }
  for (const name of await readdir(containerLogs).catch(() => [])) {
    const target = await readlink(join(containerLogs, name)).catch(() => '');
    if (target.startsWith(`${machine.dir}/`)) await rm(join(containerLogs, name));
  }
  for (const name of await readdir(cniResults).catch(() => [])) {
    if (name.startsWith(`${networkName(machine)}-`)) await rm(join(cniResults, name));
  }
  for (const folder of compiledIn) {
    // Not empty means that somebody else has begun to use it.
    if (!before.folders.has(folder)) await rmdir(folder).catch(() => undefined);
  }
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
