import type { Command } from 'commander';
import { renderConfig } from '../config/render.ts';
import { configOf } from './config-options.ts';
import type { Output } from './program.ts';

/** `shorelet config`: both documents as they are in effect. @throws ConfigError */
export async function printConfig(command: Command, output: Output): Promise<void> {
  const config = await configOf(command, new AbortController().signal);
  for (const warning of config.warnings) output.err(`shorelet: ${warning}\n`);
  output.out(renderConfig(config));
}
