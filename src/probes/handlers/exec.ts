import type { ContainerSpec } from '../../api/types.ts';
import { isDeadlineExceeded } from '../../lib/errors.ts';
import { goDuration } from '../../lib/go-duration.ts';
import { quote } from '../../lib/quote.ts';
import { expand } from '../../runtime/expansion.ts';
import type { ProbeOutcome, ProbeRuntime } from '../types.ts';

/** Output that is kept for the event (kubelet pkg/probe/exec). */
const MAX_OUTPUT = 10 * 1024;

export interface CommandProbe {
  readonly containerId: string;
  readonly container: ContainerSpec;
  readonly command: readonly string[];
  readonly timeoutMs: number;
}

/** Exit code 0 is success, any other and a time-out failure. Values that stand in the spec are put in for `$(NAME)`. */
export async function probeCommand(
  runtime: ProbeRuntime,
  { containerId, container, command, timeoutMs }: CommandProbe,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const values = new Map((container.env ?? []).map(({ name, value }) => [name, value ?? '']));
  const expanded = command.map((word) => expand(word, (name) => values.get(name)));
  try {
    const { exitCode, stdout, stderr } = await runtime.execSync(containerId, expanded, Math.ceil(timeoutMs / 1000), signal);
    const output = Buffer.concat([stdout, stderr]).subarray(0, MAX_OUTPUT).toString();
    return { outcome: exitCode === 0 ? 'success' : 'failure', output };
  } catch (error) {
    if (!isDeadlineExceeded(error)) throw error;
    return { outcome: 'failure', output: `command timed out: ${quote(expanded.join(' '))} timed out after ${goDuration(timeoutMs)}` };
  }
}
