import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type {
  ContainerConfig,
  ContainerState,
  ContainerStatus,
  ImageService,
  LinuxContainerSecurityContext,
  NamespaceOptions,
  PodSandboxConfig,
  RuntimeService,
} from '../../../src/runtime/types.ts';
import type { StreamingRuntime } from '../../../src/streaming/types.ts';
import type { PushedImage } from '../../cluster/registry.ts';
import { waitFor } from '../../cluster/wait.ts';

/** A runtime with what the cases need around it. */
export interface RuntimeUnderTest {
  /** A getter: {@link restart} replaces it. */
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  /** What its streaming server calls, where that is in this process. */
  readonly streaming?: StreamingRuntime;
  /** Has a shell and busybox' applets; present. */
  readonly shellImage: string;
  /** The same, running as uid 1234; present. */
  readonly nonRootImage: string;
  /** In a registry for everybody, and in one that asks for a user; neither is present at first. */
  readonly openImage: PushedImage;
  readonly secretImage: PushedImage & { readonly username: string; readonly password: string };
  /** A registry that accepts connections and never answers, as `host:port`; with the runtime's pull progress deadline. */
  readonly silentRegistry: { readonly host: string; readonly progressDeadlineMs: number };
  /** A directory of this machine that the runtime sees too. */
  readonly workDirectory: string;
  /** What a container has written to its log so far, both streams, without the format's wrapping. */
  parseLog(content: string): { readonly stream: string; readonly text: string }[];
  /** Ends the runtime service, not its containers, and starts it anew, as after kill -9. */
  restart?(): Promise<void>;
  stop(): Promise<void>;
}

export const podNamespaces: NamespaceOptions = { network: 'pod', pid: 'container', ipc: 'pod' };

/** For changes: a config with some parts replaced. */
export type SandboxChanges = Partial<Omit<PodSandboxConfig, 'linux'>> & { readonly linux?: Partial<PodSandboxConfig['linux']> };
export interface ContainerChanges extends Partial<Omit<ContainerConfig, 'linux'>> {
  readonly linux?: {
    readonly resources?: NonNullable<ContainerConfig['linux']['resources']>;
    readonly securityContext?: Partial<LinuxContainerSecurityContext>;
  };
}

export interface TestSandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
}

/** What one case uses: makes sandboxes and containers, and removes what it made. */
export class Bed {
  readonly under: RuntimeUnderTest;
  readonly signal = new AbortController().signal;
  readonly #sandboxes: string[] = [];

  constructor(under: RuntimeUnderTest) {
    this.under = under;
  }

  get runtime(): RuntimeService {
    return this.under.runtime;
  }

  get images(): ImageService {
    return this.under.images;
  }

  sandboxConfig(changes: SandboxChanges = {}): PodSandboxConfig {
    const uid = randomUUID();
    const { linux, ...rest } = changes;
    return {
      metadata: { name: `pod-${uid.slice(0, 8)}`, uid, namespace: 'contract', attempt: 0 },
      hostname: 'contract-host',
      logDirectory: path.join(this.under.workDirectory, 'logs', uid),
      portMappings: [],
      labels: { 'io.kubernetes.pod.uid': uid },
      annotations: {},
      ...rest,
      linux: {
        cgroupParent: '',
        sysctls: {},
        securityContext: { namespaceOptions: podNamespaces, seccomp: { type: 'RuntimeDefault' } },
        ...linux,
      },
    };
  }

  containerConfig(script: string, changes: ContainerChanges = {}): ContainerConfig {
    const { linux, ...rest } = changes;
    return {
      metadata: { name: 'main', attempt: 0 },
      image: { image: this.under.shellImage },
      command: ['sh', '-c', script],
      args: [],
      workingDir: '',
      envs: [],
      mounts: [],
      devices: [],
      labels: {},
      annotations: {},
      logPath: 'main/0.log',
      stdin: false,
      stdinOnce: false,
      tty: false,
      ...rest,
      linux: {
        ...(linux?.resources === undefined ? {} : { resources: linux.resources }),
        securityContext: { namespaceOptions: podNamespaces, seccomp: { type: 'RuntimeDefault' }, ...linux?.securityContext },
      },
    };
  }

  async sandbox(changes: SandboxChanges = {}): Promise<TestSandbox> {
    const config = this.sandboxConfig(changes);
    const id = await this.runtime.runPodSandbox(config, '', this.signal);
    this.#sandboxes.push(id);
    return { id, config };
  }

  /** For sandboxes that a case makes by itself. */
  removeLater(sandboxId: string): void {
    this.#sandboxes.push(sandboxId);
  }

  create(sandbox: TestSandbox, script: string, changes: ContainerChanges = {}): Promise<string> {
    return this.runtime.createContainer(sandbox.id, this.containerConfig(script, changes), sandbox.config, this.signal);
  }

  async start(sandbox: TestSandbox, script: string, changes: ContainerChanges = {}): Promise<string> {
    const id = await this.create(sandbox, script, changes);
    await this.runtime.startContainer(id, this.signal);
    return id;
  }

  /** Runs to its end; answers what it wrote, standard error marked with `!`. */
  async output(sandbox: TestSandbox, script: string, changes: ContainerChanges = {}): Promise<string> {
    const id = await this.start(sandbox, script, { metadata: { name: `run-${randomUUID().slice(0, 8)}`, attempt: 0 }, ...changes });
    const status = await this.reaches(id, 'exited');
    const text = this.under.parseLog(await readFile(status.logPath, 'utf8'));
    return text.map((line) => (line.stream === 'stderr' ? `!${line.text}` : line.text)).join('\n');
  }

  reaches(containerId: string, state: ContainerState): Promise<ContainerStatus> {
    return waitFor(
      `container ${containerId} to be ${state}`,
      async () => {
        const status = await this.runtime.containerStatus(containerId, this.signal);
        return status.state === state ? status : undefined;
      },
      { timeoutMs: 20_000, intervalMs: 20 },
    );
  }

  async exec(containerId: string, script: string, timeoutSeconds = 10): Promise<{ stdout: string; stderr: string; exitCode: number }> {
    const { stdout, stderr, exitCode } = await this.runtime.execSync(containerId, ['sh', '-c', script], timeoutSeconds, this.signal);
    return { stdout: Buffer.from(stdout).toString(), stderr: Buffer.from(stderr).toString(), exitCode };
  }

  async cleanUp(): Promise<void> {
    for (const id of this.#sandboxes.splice(0)) {
      await this.runtime.stopPodSandbox(id, this.signal);
      await this.runtime.removePodSandbox(id, this.signal);
    }
  }
}

export interface ContractCase {
  readonly title: string;
  readonly run: (bed: Bed) => Promise<void>;
}
