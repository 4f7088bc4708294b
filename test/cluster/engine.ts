import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lenientRuncBinary } from './binaries.ts';
import { startDaemon, type Daemon } from './daemon.ts';
import { docker } from './docker-api.ts';
import { uplink, type TestNode } from './node.ts';
import { killProcess, startTimeOf } from './processes.ts';
import { run } from './run.ts';
import { FatalError, waitFor } from './wait.ts';

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
  readonly logFile: string;
  readonly pid: number;
  /** The socket of the containerd that this dockerd started. */
  readonly containerdSocket: string;
  /** Starts dockerd and waits until it answers. */
  start(signal?: AbortSignal): Promise<void>;
  /** SIGTERM: containers are stopped by the engine, as on a machine's shutdown; data stays. */
  stop(): Promise<void>;
  /** SIGKILL to dockerd and, if asked, its containerd: containers go on running. */
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

/** Cold, with a slow disk; usually 2 s. */
const startTimeoutMs = 60_000;
/** dockerd gives its containers 15 s, then ends. */
const stopGraceMs = 40_000;

/** Makes an engine inside a node of the test bed and starts it. It goes when the slot is released. */
export async function startEngine(node: TestNode, options: EngineOptions = {}, signal?: AbortSignal): Promise<Engine> {
  const socketPath = join(node.runDir, 'docker.sock');
  const logFile = join(node.dir, 'dockerd.log');
  const execRoot = join(node.runDir, 'exec');
  await writeConfiguration(node, options, socketPath, execRoot, signal);
  let daemon: Daemon | undefined;

  const engine: Engine = {
    node,
    socketPath,
    host: `unix://${socketPath}`,
    bridgeAddress: node.engineRange.split('/')[0] ?? '',
    logFile,
    containerdSocket: join(execRoot, 'containerd/containerd.sock'),
    get pid() {
      return daemon?.ended === undefined ? (daemon?.pid ?? 0) : 0;
    },
    async start(abort) {
      if (daemon !== undefined && daemon.ended === undefined) return;
      const command = [...node.enter, await node.slot.tools.find('dockerd'), '--config-file', join(node.dir, 'daemon.json')];
      const started = await startDaemon(node.slot, { name: `dockerd ${node.name}`, command, logFile });
      daemon = started;
      await waitFor(
        `dockerd of ${node.name} to answer`,
        async (probe) => {
          if (started.ended !== undefined) throw new FatalError(`dockerd ended: ${await started.logTail()}`);
          return (await docker(socketPath, '/_ping', { timeoutMs: 5_000, signal: probe })) === 'OK';
        },
        { timeoutMs: startTimeoutMs, intervalMs: 50, signal: abort, explain: () => started.logTail() },
      );
      if (options.iptables !== false) await acceptUplink(node, abort);
    },
    async stop() {
      await daemon?.stop(stopGraceMs);
    },
    async kill(what) {
      await daemon?.kill();
      if (what?.containerd === true) await killContainerd(execRoot);
    },
    async restart(abort) {
      await engine.stop();
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

async function writeConfiguration(
  node: TestNode,
  options: EngineOptions,
  socketPath: string,
  execRoot: string,
  signal?: AbortSignal,
): Promise<void> {
  const wrapper = await installLenientRuntime(node, signal);
  await mkdir(execRoot, { recursive: true });
  const configuration = {
    'data-root': join(node.dir, 'docker'),
    'exec-root': execRoot,
    pidfile: join(node.runDir, 'docker.pid'),
    hosts: [`unix://${socketPath}`],
    bip: node.engineRange,
    'cgroup-parent': `${node.cgroupRoot}/docker`,
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
    iptables: options.iptables ?? true,
    // Containers keep their address on the way to the API server and to other nodes.
    'ip-masq': false,
    'registry-mirrors': options.mirrors ?? [],
    'insecure-registries': options.insecureRegistries ?? [],
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

async function killContainerd(execRoot: string): Promise<void> {
  const pidFile = join(execRoot, 'containerd/containerd.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number(await readFile(pidFile, 'utf8'));
  // The number may have gone to somebody else: look at what it runs.
  const commandLine = await readFile(`/proc/${pid.toString()}/cmdline`, 'utf8').catch(() => '');
  if (!commandLine.includes(execRoot)) return;
  killProcess(pid);
  await waitFor('containerd to end', async () => (await startTimeOf(pid)) === undefined, {
    timeoutMs: 10_000,
    intervalMs: 20,
  });
  await rm(pidFile, { force: true });
}
