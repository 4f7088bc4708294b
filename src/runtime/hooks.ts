/** Lifecycle hooks of containers (kubelet pkg/kubelet/lifecycle/handlers.go). */
import { podReference } from '../api/object-reference.ts';
import type { LifecycleHandler } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage, FailedPreconditionError, InvalidInputError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';
import { podDescription } from './descriptions.ts';
import { callHttpHook, hookUrl, isPlainHttpAnswer } from './http-hook.ts';
import type { EventPort, HookRequest, HookRunner } from './ports.ts';
import type { RuntimeService } from './types.ts';

export interface HookDeps {
  readonly runtime: Pick<RuntimeService, 'execSync'>;
  readonly events: EventPort;
  readonly clock: Clock;
}

type HttpGet = NonNullable<LifecycleHandler['httpGet']>;

/** Runs exec (through ExecSync), httpGet and sleep hooks. They have no time limit of their own: the signal is. */
export function createHookRunner(deps: HookDeps): HookRunner {
  return {
    async run(request, signal) {
      const { exec, httpGet, sleep } = request.handler;
      if (exec) return runExec(deps, request, exec.command ?? [], signal);
      if (httpGet) return describe(`HTTP lifecycle hook (${httpGet.path ?? ''})`, request, signal, runHttp(deps, request, httpGet, signal));
      if (sleep)
        return describe(`Sleep lifecycle hook (${sleep.seconds})`, request, signal, deps.clock.sleep(sleep.seconds * 1000, signal));
      throw new InvalidInputError(`Cannot run handler: invalid handler: it has none of exec, httpGet and sleep`);
    },
  };
}

async function runExec({ runtime }: HookDeps, request: HookRequest, command: readonly string[], signal: AbortSignal): Promise<void> {
  let output = '';
  const run = async (): Promise<void> => {
    const { stdout, stderr, exitCode } = await runtime.execSync(request.containerId, command, 0, signal);
    output = Buffer.concat([stdout, stderr]).toString();
    if (exitCode !== 0) throw new Error(`command '${command.join(' ')}' exited with ${exitCode}: ${Buffer.from(stderr).toString()}`);
  };
  await describe(`Exec lifecycle hook ([${command.join(' ')}])`, request, signal, run(), () => `, message: ${quote(output)}`);
}

/** The answer does not matter, only that there is one. */
async function runHttp(
  { events }: HookDeps,
  { pod, container, podIPs }: HookRequest,
  httpGet: HttpGet,
  signal: AbortSignal,
): Promise<void> {
  const host = httpGet.host !== undefined && httpGet.host !== '' ? httpGet.host : podIPs[0];
  if (host === undefined) throw new FailedPreconditionError('failed to find networking container: the pod has no address');
  const url = hookUrl(httpGet, host, container);
  const headers = httpGet.httpHeaders ?? [];
  try {
    await callHttpHook(url, headers, signal);
  } catch (error) {
    if (url.protocol !== 'https:' || !isPlainHttpAnswer(error)) throw error;
    const plain = new URL(url);
    plain.protocol = 'http:';
    plain.port = url.port === '' ? '443' : url.port;
    const harmless = headers.filter(({ name }) => name.toLowerCase() !== 'authorization');
    await callHttpHook(plain, harmless, signal);
    const message = `request to HTTPS lifecycle hook ${url.host} got HTTP response, retry with HTTP succeeded`;
    events.event(podReference(pod), 'Warning', 'LifecycleHTTPFallback', message);
  }
}

async function describe(
  what: string,
  { container, pod }: HookRequest,
  signal: AbortSignal,
  work: Promise<void>,
  more: () => string = () => '',
): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (signal.aborted) throw error;
    const where = `for Container ${quote(container.name)} in Pod ${quote(podDescription(pod))}`;
    throw new Error(`${what} ${where} failed - error: ${errorMessage(error)}${more()}`);
  }
}
