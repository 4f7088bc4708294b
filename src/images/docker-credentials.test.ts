import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-clock.ts';
import { silentLogger } from '../lib/log.ts';
import { parseDockercfg, parseDockerConfig } from './docker-config.ts';
import { createDockerCredentials, type RunProgram } from './docker-credentials.ts';

const signal = new AbortController().signal;
let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'docker-credentials-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function lookup(config: unknown, repository: string, run?: RunProgram) {
  const file = path.join(directory, 'config.json');
  await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config));
  const configFiles = [path.join(directory, 'absent.json'), file];
  const credentials = createDockerCredentials({ configFiles, clock: new FakeClock(), logger: silentLogger, ...(run ? { run } : {}) });
  return credentials.lookup(repository, signal);
}

test('the auth field wins over user and password', () => {
  const auth = Buffer.from('robot:p:w').toString('base64');
  const { auths } = parseDockerConfig(JSON.stringify({ auths: { 'example.com': { auth, username: 'x', password: 'y' } } }));
  expect(auths.get('example.com')).toEqual({ username: 'robot', password: 'p:w' });
  expect(parseDockercfg('{"example.com":{"username":"u","password":"p"}}').get('example.com')).toEqual({ username: 'u', password: 'p' });
});

test('a bad file is refused without quoting what it holds', () => {
  expect(() => parseDockerConfig('{"auths": {"a": secret')).toThrow('it is not JSON');
  expect(() => parseDockerConfig('{"auths": {"a": {"auth": "bm8tY29sb24"}}}')).toThrow('auths.a: unable to parse auth field');
  expect(() => parseDockerConfig('{"auths": {"a": "secret"}}')).toThrow(/^auths\.a: (?!.*secret)/);
});

test('credentials of the file are found by the rules of the keyring', async () => {
  const config = { auths: { 'example.com': { username: 'u', password: 'p' }, 'other.com': {} } };
  expect(await lookup(config, 'example.com/app')).toEqual([{ username: 'u', password: 'p' }]);
  expect(await lookup(config, 'other.com/app')).toEqual([]);
});

test('no file and an unreadable file are as good as no credentials', async () => {
  expect(
    await createDockerCredentials({ configFiles: [], clock: new FakeClock(), logger: silentLogger }).lookup('a.com/x', signal),
  ).toEqual([]);
  expect(await lookup('{', 'example.com/app')).toEqual([]);
});

test('a helper of the registry goes before the store, and both before the file', async () => {
  const asked: string[][] = [];
  const run: RunProgram = async (program, args, input) => {
    asked.push([program, ...args, input]);
    return JSON.stringify({ Username: program, Secret: 's' });
  };
  const config = { credsStore: 'desktop', credHelpers: { 'ecr.example.com': 'ecr' }, auths: { 'ecr.example.com': { username: 'file' } } };
  expect(await lookup(config, 'ecr.example.com/app', run)).toMatchObject([{ username: 'docker-credential-ecr', password: 's' }]);
  expect(await lookup(config, 'docker.io/library/nginx', run)).toMatchObject([{ username: 'docker-credential-desktop' }]);
  expect(asked).toEqual([
    ['docker-credential-ecr', 'get', 'ecr.example.com'],
    ['docker-credential-desktop', 'get', 'https://index.docker.io/v1/'],
  ]);
});

test('a helper that hands out a token, one that has nothing, and one that does not exist', async () => {
  const config = { credsStore: 'none', auths: { 'example.com': { username: 'file' } } };
  expect(await lookup(config, 'example.com/app', async () => '{"Username":"<token>","Secret":"jwt"}')).toEqual([
    { identityToken: 'jwt', serverAddress: 'example.com' },
  ]);
  const nothing: RunProgram = async () => {
    throw new Error('credentials not found in native keychain');
  };
  expect(await lookup(config, 'example.com/app', nothing)).toEqual([{ username: 'file' }]);
  expect(await lookup({ ...config, credsStore: 'surely-not-installed' }, 'example.com/app')).toEqual([{ username: 'file' }]);
});
