import { mkdir, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { controlPlanePrograms } from './binaries.ts';
import { createComponent, type Component } from './component.ts';
import type { Engine } from './engine.ts';
import { run } from './run.ts';

/** What a registry should be like. */
export interface RegistryOptions {
  /** Its port on the node, 5000 unless told; a second registry of a node needs another. */
  readonly port?: number;
  /** Ask for this user; open to everybody unless told. */
  readonly user?: { readonly name: string; readonly password: string };
}

/** Where a pushed image is. */
export interface PushedImage {
  /** With its tag. */
  readonly reference: string;
  /** With its digest instead. */
  readonly byDigest: string;
  /** `sha256:…`, of the manifest. */
  readonly digest: string;
}

/** A real registry on a node's loopback address, which every engine accepts without TLS. */
export interface Registry {
  /** As in image references: `127.0.0.1:5000`. */
  readonly host: string;
  /** For requests from outside the node. */
  readonly url: string;
  readonly process: Component;
  /** The text of a `kubernetes.io/dockerconfigjson` secret, or of Docker's config.json. */
  readonly dockerConfig: string;
  /** Pushes an image that the engine has under another name, `name` with an optional tag. */
  push(source: string, name: string): Promise<PushedImage>;
}

/** Starts a registry inside the engine's node. It goes when the slot is released. */
export async function startRegistry(engine: Engine, options: RegistryOptions = {}, signal?: AbortSignal): Promise<Registry> {
  const { node } = engine;
  const port = options.port ?? 5000;
  const host = `127.0.0.1:${port.toString()}`;
  const dir = join(node.dir, `registry-${port.toString()}`);
  await mkdir(join(dir, 'client'), { recursive: true });
  const configurationFile = join(dir, 'config.json');
  await writeFile(configurationFile, JSON.stringify(await configuration(engine, dir, port, options, signal)));
  const dockerConfig = clientConfiguration(host, options);
  await writeFile(join(dir, 'client/config.json'), dockerConfig);
  const url = `http://${node.address}:${port.toString()}`;
  const process = createComponent(node.slot, {
    name: `registry ${host} of ${node.name}`,
    command: [...node.enter, await node.slot.tools.find('docker-registry'), 'serve', configurationFile],
    logFile: join(dir, 'registry.log'),
    ready: (abort) => answers(`${url}/v2/`, abort),
  });
  await process.start(signal);
  return {
    host,
    url,
    process,
    dockerConfig,
    async push(source, name) {
      const reference = `${host}/${name}`;
      await engine.docker(['tag', source, reference]);
      const command = [await node.slot.tools.find('docker'), '--config', join(dir, 'client'), '--host', engine.host, 'push', reference];
      const { stdout } = await run(command, { env: node.slot.env, timeoutMs: 120_000 });
      // An image under the registry's name would make every later pull a no-op.
      await engine.docker(['rmi', '--no-prune', reference]);
      const digest = /digest: (sha256:[0-9a-f]{64})/.exec(stdout)?.[1];
      if (digest === undefined) throw new Error(`push ${reference}: no digest in ${stdout}`);
      return { reference, digest, byDigest: `${host}/${name.split(':')[0] ?? name}@${digest}` };
    },
  };
}

async function configuration(
  engine: Engine,
  dir: string,
  port: number,
  options: RegistryOptions,
  signal?: AbortSignal,
): Promise<Record<string, unknown>> {
  const base = {
    version: '0.1',
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: join(dir, 'data') }, delete: { enabled: true } },
    // All addresses of the node, so that tests outside of it can ask the registry too.
    http: { addr: `:${port.toString()}` },
  };
  if (options.user === undefined) return base;
  const passwords = join(dir, 'htpasswd');
  const { binary } = await controlPlanePrograms(engine.node.slot.progress, signal);
  const input = `${options.user.name} ${options.user.password}\n`;
  await writeFile(passwords, (await run([binary, 'htpasswd'], { input, signal })).stdout);
  return { ...base, auth: { htpasswd: { realm: 'shorelet-test', path: passwords } } };
}

function clientConfiguration(host: string, { user }: RegistryOptions): string {
  if (user === undefined) return '{"auths":{}}';
  const auth = Buffer.from(`${user.name}:${user.password}`).toString('base64');
  return JSON.stringify({ auths: { [host]: { auth } } });
}

/** Any answer: a registry with passwords says 401. */
function answers(url: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { signal, agent: false }, (answer) => {
      answer.resume();
      resolve(true);
    });
    sent.on('error', reject);
    sent.end();
  });
}
