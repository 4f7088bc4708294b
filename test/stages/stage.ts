import { spawn } from 'node:child_process';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '../..');

/** One step of a test run: a command of this repository's tools, run by the Node that runs this. */
export interface Stage {
  readonly name: string;
  /** Script below node_modules or the repository, then its arguments. */
  readonly command: readonly [script: string, ...args: string[]];
  /** The whole stage is stopped and has failed after this many seconds. */
  readonly limitSeconds: number;
}

export interface StageResult {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
}

/** Runs a stage with its output passed through. */
export async function runStage(stage: Stage): Promise<StageResult> {
  console.log(`\n=== ${stage.name}`);
  const began = performance.now();
  const [script, ...args] = stage.command;
  const child = spawn(process.execPath, [path.join(root, script), ...args], { cwd: root, stdio: 'inherit' });
  const stop = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const timer = setTimeout(() => {
    console.error(`${stage.name} did not end within ${stage.limitSeconds} s`);
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 60_000).unref(); // time to take its test bed down
  }, stage.limitSeconds * 1000);
  const code = await new Promise<number>((resolve) => {
    child.on('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.on('exit', (exitCode) => resolve(exitCode ?? 1));
  });
  clearTimeout(timer);
  process.off('SIGINT', stop);
  process.off('SIGTERM', stop);
  const seconds = Math.round((performance.now() - began) / 100) / 10;
  console.log(`--- ${stage.name}: ${code === 0 ? 'passed' : 'FAILED'} in ${seconds} s`);
  return { name: stage.name, ok: code === 0, seconds };
}

/** Runs the stages in order, all of them unless one that the others stand on fails; prints the table and answers the exit code. */
export async function runStages(stages: readonly Stage[], stopAtFailure: boolean): Promise<number> {
  const results: StageResult[] = [];
  for (const stage of stages) {
    const result = await runStage(stage);
    results.push(result);
    if (!result.ok && stopAtFailure) break;
  }
  const passed = results.filter((result) => result.ok).length;
  console.log('\nseconds  stage');
  for (const { name, ok, seconds } of results) console.log(`${seconds.toFixed(1).padStart(7)}  ${name}${ok ? '' : '  FAILED'}`);
  console.log(
    `${results
      .reduce((sum, { seconds }) => sum + seconds, 0)
      .toFixed(1)
      .padStart(7)}  in all`,
  );
  const skipped = stages.length - results.length;
  console.log(`${passed} passed, ${results.length - passed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  return passed === stages.length ? 0 : 1;
}
