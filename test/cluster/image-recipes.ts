import { dirname, join } from 'node:path';
import { agnhostBinary, controlPlanePrograms, kubernetesVersion, pauseBinary } from './binaries.ts';
import type { Progress } from './cache.ts';
import type { Tools } from './prerequisites.ts';
import type { Rootfs } from './rootfs.ts';
import { run } from './run.ts';

/** The part of an image's configuration that recipes set, with the names of the OCI image format. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly StopSignal?: string;
}

/** What a recipe may use. */
export interface RecipeContext {
  readonly tools: Tools;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/** How to make a test image. */
export interface ImageRecipe {
  /** Every name that the image gets. */
  readonly tags: readonly string[];
  readonly config: ImageConfig;
  /** A program that the image is made around; part of the image's key. */
  readonly binary?: (context: RecipeContext) => Promise<string>;
  readonly fill: (rootfs: Rootfs, context: RecipeContext, binary: string) => Promise<void>;
}

const e2e = 'registry.k8s.io/e2e-test-images';
const env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];

/** The test images, by their short names. Raise `recipeVersion` in images.ts when a `fill` changes. */
export const recipes = {
  pause: {
    tags: ['registry.k8s.io/pause:3.10.2'],
    config: { User: '65535:65535', Entrypoint: ['/pause'], Env: env },
    binary: ({ progress, signal }) => pauseBinary(progress, signal),
    fill: async (rootfs, _context, binary) => rootfs.file(binary, '/pause'),
  },
  busybox: {
    tags: [`${e2e}/busybox:1.37.0-2`, 'busybox:1.37', 'busybox:latest'],
    config: { Cmd: ['sh'], Env: env },
    fill: async (rootfs) => {
      await rootfs.base();
      await rootfs.shell();
    },
  },
  nonroot: {
    tags: [`${e2e}/nonroot:1.5`],
    config: { User: '1234', Cmd: ['sh'], Env: env },
    fill: async (rootfs) => {
      await rootfs.base();
      await rootfs.shell();
    },
  },
  nginx: {
    tags: [`${e2e}/nginx:1.27.0-2`, `${e2e}/nginx:1.28.0-2`, 'nginx:latest'],
    config: { Cmd: ['nginx', '-g', 'daemon off;'], Env: env, ExposedPorts: { '80/tcp': {} }, StopSignal: 'SIGQUIT' },
    fill: fillNginx,
  },
  'kube-proxy': {
    tags: [`registry.k8s.io/kube-proxy:${kubernetesVersion}`],
    config: { Entrypoint: ['/usr/bin/kubernetes', 'kube-proxy'], Env: [...env, 'XTABLES_LIBDIR=/usr/lib/xtables'] },
    binary: async ({ progress, signal }) => (await controlPlanePrograms(progress, signal)).binary,
    fill: fillKubeProxy,
  },
  agnhost: {
    tags: [`${e2e}/agnhost:2.66.1`, `${e2e}/agnhost:2.55`],
    config: { Entrypoint: ['/agnhost'], Cmd: ['pause'], Env: env, ExposedPorts: { '80/tcp': {}, '8080/tcp': {}, '9376/tcp': {} } },
    binary: ({ progress, signal }) => agnhostBinary(progress, signal),
    fill: fillAgnhost,
  },
} as const satisfies Record<string, ImageRecipe>;

/** A test image's short name. */
export type ImageName = keyof typeof recipes;

async function fillNginx(rootfs: Rootfs, { tools }: RecipeContext): Promise<void> {
  await rootfs.base();
  await rootfs.shell();
  await rootfs.program(await tools.find('nginx'), '/usr/sbin/nginx');
  await rootfs.file(join(tools.root, 'etc/nginx/mime.types'), '/etc/nginx/mime.types');
  await rootfs.link('/dev/stdout', '/var/log/nginx/access.log');
  await rootfs.link('/dev/stderr', '/var/log/nginx/error.log');
  await rootfs.text('/var/lib/nginx/.keep', []);
  await rootfs.text('/usr/share/nginx/html/index.html', [
    '<!DOCTYPE html>',
    '<html><head><title>Welcome to nginx!</title></head>',
    '<body><h1>Welcome to nginx!</h1></body></html>',
  ]);
  await rootfs.text('/etc/nginx/nginx.conf', [
    'user nginx;',
    'worker_processes 1;',
    'error_log /var/log/nginx/error.log notice;',
    'pid /run/nginx.pid;',
    'events { worker_connections 256; }',
    'http {',
    '  include /etc/nginx/mime.types;',
    '  access_log /var/log/nginx/access.log;',
    '  include /etc/nginx/conf.d/*.conf;',
    '}',
  ]);
  await rootfs.text('/etc/nginx/conf.d/default.conf', [
    'server {',
    '  listen 80;',
    '  location / { root /usr/share/nginx/html; index index.html; }',
    '}',
  ]);
}

async function fillKubeProxy(rootfs: Rootfs, { tools }: RecipeContext, binary: string): Promise<void> {
  await rootfs.base();
  await rootfs.shell();
  await rootfs.file(binary, '/usr/bin/kubernetes');
  // All names of one program, which acts by the name it is called by.
  const multi = join(tools.root, 'usr/sbin/xtables-nft-multi');
  await rootfs.program(multi, '/usr/sbin/xtables-nft-multi');
  for (const family of ['iptables', 'ip6tables']) {
    for (const suffix of ['', '-save', '-restore']) await rootfs.link('xtables-nft-multi', `/usr/sbin/${family}${suffix}`);
  }
  const extension = await run(['find', tools.root, '-name', 'libxt_comment.so']);
  const extensions = dirname(extension.stdout.trim());
  await rootfs.folder(extensions, '/usr/lib/xtables');
  // The one extension that needs a library which iptables itself does not.
  await rootfs.program(join(extensions, 'libxt_statistic.so'), '/usr/lib/xtables/libxt_statistic.so');
  for (const name of ['conntrack', 'ip']) await rootfs.tool(name);
}

async function fillAgnhost(rootfs: Rootfs, _context: RecipeContext, binary: string): Promise<void> {
  await rootfs.base();
  await rootfs.shell();
  await rootfs.file(binary, '/agnhost');
  await rootfs.link('agnhost', '/agnhost-2');
  const names = ['curl', 'dig', 'nslookup', 'host', 'ip', 'ss', 'socat', 'ps', 'nsenter', 'unshare'];
  for (const name of names) await rootfs.tool(name);
}
