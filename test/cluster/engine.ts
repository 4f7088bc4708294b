import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { lenientRuncBinary } from './binaries.ts';
import { createComponent, type Component } from './component.ts';
import { docker } from './docker-api.ts';
import { uplink, type TestNode } from './node.ts';
import { run } from './run.ts';

/** What can differ between the engines of tests. */
export interface EngineOptions {
  /**
   * Whether dockerd manages iptables; true unless told. Without it container ports
   * are not published and containers reach the outside by routes alone.
   */
  readonly iptables?: boolean;
  /** Registry mirrors, as URLs. */
  readonly mirrors?: readonly string[];
  /** Registries without TLS, besides 127.0.0.0/8, which the engine always allows. */
  readonly insecureRegistries?: readonly string[];
  /**
   * Make a runtime the default that strips what a machine without CAP_SYS_RESOURCE
   * cannot do (negative oom_score_adj, raised rlimits), so that privileged containers
   * start here. It is always registered, as {@link lenientRuntime}.
   */
  readonly lenient?: boolean;
  /** Containers survive a restart of dockerd; false unless told, as Docker has it. */
  readonly liveRestore?: boolean;
  /**
   * False lets a container reach itself through its published port or Service, by
   * hairpin mode on its bridge port; true unless told, as Docker has it.
   */
  readonly userlandProxy?: boolean;
  readonly storageDriver?: string;
}

/** A Docker Engine of the test bed's own, with its own containerd. */
export interface Engine {
  readonly node: TestNode;
  readonly socketPath: string;
  /** As DOCKER_HOST has it. */
  readonly host: string;
  /** The engine's bridge as containers see it: their gateway. */
  readonly bridgeAddress: string;
  readonly dockerd: Component;
  /** A process of its own, as on a machine with systemd: it outlives a dockerd that is killed. */
  readonly containerd: Component;
  /** Starts what does not run and waits until the engine answers. */
  start(signal?: AbortSignal): Promise<void>;
  /** SIGTERM: dockerd stops its containers (unless `liveRestore`), as on a machine's shutdown; data stays. */
  stop(): Promise<void>;
  /**
   * SIGKILL to dockerd and, if asked, to containerd. Containers go on running; the
   * next start adopts them with `liveRestore`, and stops them without.
   */
  kill(options?: { readonly containerd?: boolean }): Promise<void>;
  /** Stop, then start: what `systemctl restart docker` does. */
  restart(signal?: AbortSignal): Promise<void>;
  /** Runs the docker command line against this engine. */
  docker(args: readonly string[], options?: { readonly input?: string; readonly timeoutMs?: number }): Promise<string>;
  /** Removes every container of this engine. */
  removeContainers(signal?: AbortSignal): Promise<void>;
}

/** Name of the runtime that copes without CAP_SYS_RESOURCE. */
export const lenientRuntime = 'lenient';

/** dockerd gives its containers 15 s, then ends. */
const stopGraceMs = 40_000;

/** Makes an engine inside a node of the test bed and starts it. It goes when the slot is released. */
export async function startEngine(node: TestNode, options: EngineOptions = {}, signal?: AbortSignal): Promise<Engine> {
  const place: EnginePlace = {
    node,
    socketPath: join(node.runDir, 'docker.sock'),
    containerdSocket: join(node.runDir, 'containerd.sock'),
    execRoot: join(node.runDir, 'exec'),
  };
  const { socketPath } = place;
  await writeConfiguration(place, options, signal);
  const containerd = await createContainerd(place);
  const dockerd = createComponent(node.slot, {
    name: `dockerd of ${node.name}`,
    command: [...node.enter, await node.slot.tools.find('dockerd'), '--config-file', join(node.dir, 'daemon.json')],
    logFile: join(node.dir, 'dockerd.log'),
    graceMs: stopGraceMs,
    ready: async (abort) => (await docker(socketPath, '/_ping', { timeoutMs: 5_000, signal: abort })) === 'OK',
  });

  const engine: Engine = {
    node,
    socketPath,
    host: `unix://${socketPath}`,
    bridgeAddress: node.engineRange.split('/')[0] ?? '',
    dockerd,
    containerd,
    async start(abort) {
      await containerd.start(abort);
      await dockerd.start(abort);
      if (options.iptables !== false) await acceptUplink(node, abort);
    },
    async stop() {
      await dockerd.stop();
      await containerd.stop();
    },
    async kill(what) {
      await dockerd.kill();
      if (what?.containerd === true) await containerd.kill();
    },
    async restart(abort) {
      await dockerd.stop();
      await engine.start(abort);
    },
    async docker(args, more = {}) {
      const command = [await node.slot.tools.find('docker'), '--host', `unix://${socketPath}`, ...args];
      const { stdout } = await run(command, { env: node.slot.env, timeoutMs: 60_000, ...more });
      return stdout;
    },
    async removeContainers(abort) {
      const ids = (await engine.docker(['ps', '--all', '--quiet', '--no-trunc'])).split('\n').filter((id) => id !== '');
      await Promise.all(
        ids.map((id) =>
          docker(socketPath, `/containers/${id}?force=true&v=true`, {
            method: 'DELETE',
            timeoutMs: 120_000,
            signal: abort,
          }),
        ),
      );
    },
  };
  await engine.start(signal);
  return engine;
}

interface EnginePlace {
  readonly node: TestNode;
  readonly socketPath: string;
  readonly containerdSocket: string;
  readonly execRoot: string;
}

/** The containerd of an engine: no CRI, so that it cannot meet another agent's containers. */
async function createContainerd({ node, containerdSocket }: EnginePlace): Promise<Component> {
  const configuration = [
    'version = 2',
    `root = "${join(node.dir, 'containerd')}"`,
    `state = "${join(node.runDir, 'containerd')}"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    '[grpc]',
    `address = "${containerdSocket}"`,
  ];
  const configurationFile = join(node.dir, 'containerd.toml');
  await writeFile(configurationFile, `${configuration.join('\n')}\n`);
  return createComponent(node.slot, {
    name: `containerd of ${node.name}`,
    command: [...node.enter, await node.slot.tools.find('containerd'), '--config', configurationFile],
    logFile: join(node.dir, 'containerd.log'),
    ready: () => accepts(containerdSocket),
  });
}

async function writeConfiguration(place: EnginePlace, options: EngineOptions, signal?: AbortSignal): Promise<void> {
  const { node, socketPath, execRoot } = place;
  const wrapper = await installLenientRuntime(node, signal);
  await mkdir(execRoot, { recursive: true });
  const configuration = {
    'data-root': join(node.dir, 'docker'),
    'exec-root': execRoot,
    pidfile: join(node.runDir, 'docker.pid'),
    hosts: [`unix://${socketPath}`],
    containerd: place.containerdSocket,
    bip: node.engineRange,
    'cgroup-parent': `${node.cgroupRoot}/docker`,
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
    iptables: options.iptables ?? true,
    // Containers keep their address on the way to the API server and to other nodes.
    'ip-masq': false,
    'registry-mirrors': options.mirrors ?? [],
    'insecure-registries': options.insecureRegistries ?? [],
    'userland-proxy': options.userlandProxy ?? true,
    'live-restore': options.liveRestore ?? false,
    runtimes: { [lenientRuntime]: { path: wrapper } },
    ...(options.lenient === true ? { 'default-runtime': lenientRuntime } : {}),
    ...(options.storageDriver === undefined ? {} : { 'storage-driver': options.storageDriver }),
  };
  await writeFile(join(node.dir, 'daemon.json'), JSON.stringify(configuration, undefined, 2));
}

/** The wrapper finds the real runtime's path in a file beside it. */
async function installLenientRuntime(node: TestNode, signal?: AbortSignal): Promise<string> {
  const folder = join(node.dir, 'lenient-runc');
  await mkdir(folder, { recursive: true });
  await copyFile(await lenientRuncBinary(node.slot.progress, signal), join(folder, 'lenient-runc'));
  await writeFile(join(folder, 'runc'), await node.slot.tools.find('runc'));
  return join(folder, 'lenient-runc');
}

/**
 * Lets the rest of the test bed talk to this node's containers: Docker's policy is
 * to drop what it forwards. Only for the uplink: that containers on a CNI bridge
 * cannot reach one another is for the agent to notice.
 */
async function acceptUplink(node: TestNode, signal?: AbortSignal): Promise<void> {
  for (const direction of ['-i', '-o']) {
    const rule = ['DOCKER-USER', direction, uplink, '-j', 'ACCEPT'];
    const iptables = (verb: string, anyExit: boolean): ReturnType<typeof run> =>
      run([...node.enter, 'iptables', '--wait', verb, ...rule], { env: node.slot.env, signal, anyExit });
    if ((await iptables('--check', true)).code !== 0) await iptables('--insert', false);
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
