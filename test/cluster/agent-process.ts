import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createComponent, type Component } from './component.ts';
import type { TestNode } from './node.ts';
import { FatalError, waitFor } from './wait.ts';

/** How to run the agent. */
export interface AgentOptions {
  /** The built agent and its sub-command: `['…/dist/shorelet', 'run']`. */
  readonly command: readonly string[];
  /** Documents of the configuration file, which is passed as `--config`. */
  readonly config?: readonly unknown[];
  /** Passed as `--kubeconfig`. */
  readonly kubeconfig?: string;
  /** Passed as `--root-dir`; a folder of the node's unless told. */
  readonly rootDir?: string;
  /** Further arguments. */
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Distinguishes several agents of one node in file names. */
  readonly name?: string;
}

/** The agent as a process, the way a service manager would run it. */
export interface AgentProcess extends Component {
  readonly rootDir: string;
  readonly configFile: string;
  /** Stop (or kill) and start with the same arguments. */
  restart(how?: 'stop' | 'kill'): Promise<void>;
  /** Everything it has logged so far, earlier runs included. */
  log(): Promise<string>;
  /** Waits until a line of its log matches, and returns the match. */
  waitForLog(pattern: RegExp, options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal }): Promise<RegExpExecArray>;
}

/** Without the cluster the agent has nothing to wait for; it gets as long as a kubelet's unit. */
const stopGraceMs = 30_000;

/** Makes an agent inside a node, not started yet. It goes when the slot is released. */
export async function createAgent(node: TestNode, options: AgentOptions): Promise<AgentProcess> {
  const name = options.name ?? 'agent';
  const rootDir = options.rootDir ?? join(node.dir, name);
  await mkdir(rootDir, { recursive: true });
  const configFile = join(node.dir, `${name}.yaml`);
  // JSON is YAML; "---" separates documents.
  const documents = (options.config ?? []).map((document) => JSON.stringify(document, undefined, 2));
  await writeFile(configFile, `${documents.join('\n---\n')}\n`);
  const command = [...node.enter, ...options.command];
  if (options.kubeconfig !== undefined) command.push('--kubeconfig', options.kubeconfig);
  if (options.config !== undefined) command.push('--config', configFile);
  command.push('--root-dir', rootDir, ...(options.args ?? []));
  const component = createComponent(node.slot, {
    name: `${name} of ${node.name}`,
    command,
    logFile: join(node.dir, `${name}.log`),
    graceMs: stopGraceMs,
    ...(options.env === undefined ? {} : { env: options.env }),
    // Ready is what tests ask the cluster about; here it is enough that it runs.
    ready: () => Promise.resolve(true),
  });
  const log = (): Promise<string> => readFile(component.logFile, 'utf8').catch(() => '');
  return {
    name: component.name,
    logFile: component.logFile,
    get running() {
      return component.running;
    },
    get pid() {
      return component.pid;
    },
    start: (signal) => component.start(signal),
    stop: () => component.stop(),
    kill: () => component.kill(),
    rootDir,
    configFile,
    async restart(how = 'stop') {
      await component[how]();
      await component.start();
    },
    log,
    waitForLog(pattern, { timeoutMs = 30_000, signal } = {}) {
      return waitFor(
        `a line like ${String(pattern)} in ${component.logFile}`,
        async () => {
          for (const line of (await log()).split('\n')) {
            const match = pattern.exec(line);
            if (match !== null) return match;
          }
          if (!component.running) throw new FatalError(`${component.name} ended: ${await log()}`);
          return undefined;
        },
        { timeoutMs, signal },
      );
    },
  };
}
