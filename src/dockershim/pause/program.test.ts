import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { pauseProgram } from './program.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'shorelet-pause-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('this machine runs its pause program, which stays until SIGTERM and then exits with 0', async () => {
  const file = path.join(directory, 'pause');
  writeFileSync(file, pauseProgram(process.arch === 'arm64' ? 'arm64' : 'x64'), { mode: 0o755 });
  const child = spawn(file);
  await once(child, 'spawn');
  while (child.exitCode === null && !isWaiting(child.pid)) await new Promise((resolve) => setImmediate(resolve));
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('both architectures are 64-bit little-endian executables for their machine', () => {
  const machines = (['x64', 'arm64'] as const).map((architecture) => {
    const file = Buffer.from(pauseProgram(architecture));
    expect(file.subarray(0, 6).toString('latin1')).toBe('\x7fELF\x02\x01');
    return file.readUInt16LE(18);
  });
  expect(machines).toEqual([0x3e, 0xb7]);
});

/** Number of rt_sigtimedwait: the program has set everything up when it is in there. */
const WAIT_CALL = process.arch === 'arm64' ? '137' : '128';

function isWaiting(pid: number | undefined): boolean {
  return readFileSync(`/proc/${pid}/syscall`, 'utf8').startsWith(`${WAIT_CALL} `);
}
