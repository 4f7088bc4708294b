/** The `shorelet` command: parses, dispatches, and turns what happened into an exit code. Commands are loaded when they are used. */
import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config/problems.ts';
import { errorMessage } from '../lib/errors.ts';
import { addConfigOptions } from './config-options.ts';

export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** 0 is success, 1 a failure while running, 2 wrong usage or configuration. */
export type ExitCode = 0 | 1 | 2;

/** Runs the command line `args` (without the program's own name). Never throws. */
export async function main(args: readonly string[], output: Output): Promise<ExitCode> {
  let code: ExitCode = 0;
  const program = createProgram(output, (result) => (code = result));
  try {
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof ConfigError) {
      output.err(`shorelet: the configuration is not valid:\n${indent(error.message)}\n`);
      return 2;
    }
    output.err(`shorelet: ${errorMessage(error)}\n`);
    return 1;
  }
}

function createProgram(output: Output, finish: (code: ExitCode) => void): Command {
  const program = new Command('shorelet')
    .description('A Kubernetes node agent: registers this machine as a node and runs its pods through Docker or any CRI runtime.')
    .exitOverride()
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .showHelpAfterError('(shorelet --help lists commands and flags)');

  addConfigOptions(program.command('run').description('run the agent until it is told to stop')).action(
    async (_options, command: Command) => {
      const { run } = await import('./run.ts');
      finish(await run(command));
    },
  );
  addConfigOptions(program.command('config').description('print the effective configuration as YAML')).action(
    async (_options, command: Command) => {
      const { printConfig } = await import('./config.ts');
      await printConfig(command, output);
    },
  );
  program
    .command('version')
    .description('print the version')
    .option('--memory', 'load everything that a running agent needs and print what it costs')
    .action(async (options: { readonly memory?: boolean }) => {
      const { printVersion } = await import('./version.ts');
      await printVersion(options, output);
    });
  return program;
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
