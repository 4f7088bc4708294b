import type { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { errorMessage, isAbort, isInvalidInput } from '../lib/errors.ts';
import { createLogger } from '../lib/log.ts';
import { kubeletVersion } from '../lib/version.ts';
import { configOf } from './config-options.ts';
import { listenForStop } from './stop-signals.ts';
import type { ExitCode } from './program.ts';

/** `shorelet run`: the agent until SIGTERM or SIGINT. @throws ConfigError */
export async function run(command: Command): Promise<ExitCode> {
  const config = await configOf(command, new AbortController().signal);
  const log = createLogger(config.derived.log);
  for (const warning of config.warnings) log.warn(warning);
  using stop = listenForStop(process, log);
  const { createAgent } = await import('../agent.ts');
  log.info('Starting', { version: kubeletVersion(), node: config.derived.nodeName, rootDirectory: config.shorelet.rootDirectory });
  try {
    await createAgent({ config, log, clock: systemClock }).run(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted || !(isAbort(error) || error === stop.signal.reason)) {
      log.error('The agent cannot go on', { error: errorMessage(error) });
      return isInvalidInput(error) ? 2 : 1; // a file that the configuration names is configuration too
    }
  }
  log.info('Stopped');
  return 0;
}
