/** The flags of the configuration as options of a command, and back. */
import { hostname } from 'node:os';
import { Option, type Command } from 'commander';
import type { Config } from '../config/config.ts';
import { FLAGS, flagLayer, type FlagDefinition } from '../config/flags.ts';
import type { Layer } from '../config/layers.ts';
import { loadConfig } from '../config/load.ts';

const PLACEHOLDERS: Readonly<Record<FlagDefinition['kind'], string>> = {
  text: '<text>',
  duration: '<duration>',
  number: '<number>',
  boolean: '[true|false]',
  list: '<list>',
  map: '<key=value,...>',
  quantities: '<name=quantity,...>',
  thresholds: '<signal<value,...>',
  taints: '<key=value:effect,...>',
  booleans: '<name=true|false,...>',
};

export function addConfigOptions(command: Command): Command {
  command.option('--config <file>', 'file with a KubeletConfiguration, a ShoreletConfiguration, or both');
  command.option('--config-dir <directory>', 'directory of .conf files that are laid over it');
  for (const definition of FLAGS) {
    const short = definition.name === 'v' ? '-v, ' : '';
    const option = new Option(`${short}--${definition.name} ${PLACEHOLDERS[definition.kind]}`, definition.description);
    if (definition.kind === 'boolean') option.preset('true');
    command.addOption(option);
  }
  return command;
}

/** The configuration that the command's flags and files amount to. @throws ConfigError */
export async function configOf(command: Command, signal: AbortSignal): Promise<Config> {
  const values: Readonly<Record<string, unknown>> = command.opts();
  const flags: Layer[] = [];
  for (const option of command.options) {
    const definition = FLAGS.find(({ name }) => `--${name}` === option.long);
    const value = values[option.attributeName()];
    if (definition !== undefined && typeof value === 'string') flags.push(flagLayer(definition, value));
  }
  return loadConfig({ file: textOf(values['config']), directory: textOf(values['configDir']), flags }, { hostname: hostname() }, signal);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
