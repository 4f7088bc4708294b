import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { main } from './program.ts';
import { processMemory } from './version.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'shorelet-cli-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function shorelet(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await main(args, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

test('without arguments the help is printed', async () => {
  const { code, out } = await shorelet();
  expect(code).toBe(0);
  expect(out).toContain('Usage: shorelet');
});

test('flags win over the file in what `config` prints', async () => {
  const file = path.join(folder, 'node.yaml');
  await writeFile(file, 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 5\nclusterDomain: x\n');
  const { code, out } = await shorelet('config', '--config', file, '--max-pods=6', '--node-name', 'n1', '--anonymous-auth', '-v', '4');
  expect(code).toBe(0);
  expect(out).toMatch(/^maxPods: 6$/m);
  expect(out).toMatch(/^clusterDomain: x$/m);
  expect(out).toMatch(/^nodeName: n1$/m);
  expect(out).toMatch(/anonymous:\n {4}enabled: true/);
  expect(out).toMatch(/verbosity: 4/);
});

test('drop-in files are laid over the file in order', async () => {
  const document = (pods: number): string => `apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: ${pods}\n`;
  await writeFile(path.join(folder, '20.conf'), document(20));
  await writeFile(path.join(folder, '10.conf'), document(10));
  await writeFile(path.join(folder, '30.yaml'), document(30));
  expect((await shorelet('config', '--config-dir', folder, '--node-name', 'n')).out).toMatch(/^maxPods: 20$/m);
});

test.each([
  ['an invalid value', ['config', '--max-pods', 'x'], 'maxPods (--max-pods): expected a whole number; found "x"'],
  ['an unknown flag', ['run', '--max-pod', '3'], '(Did you mean --max-pods?)'],
  ['an unknown command', ['rnu'], '(Did you mean run?)'],
  ['a missing file', ['config', '--config', '/nonexistent.yaml'], '/nonexistent.yaml: expected a readable file'],
])('%s ends with exit code 2 and says why', async (_, args, message) => {
  const { code, err } = await shorelet(...args);
  expect(code).toBe(2);
  expect(err).toContain(message);
});

test('`version` prints the program’s and the kubelet’s version', async () => {
  expect((await shorelet('version')).out).toMatch(/^shorelet \d+\.\d+\.\d+ \(kubelet v1\.37\.2\+shorelet\./);
});

test('memory is read from /proc in megabytes', () => {
  expect(processMemory('VmRSS:\t   85000 kB\nRssAnon:\t   40000 kB\n')).toEqual({ anonymous: 41, resident: 87 });
});
