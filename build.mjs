/**
 * Builds dist/: the program as one bundle (lazy parts as chunks), the namespace helper, the sh launcher and the static pause
 * program. Run by `npm run build`.
 */
import { build } from 'esbuild';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pauseProgram } from './src/dockershim/pause/program.ts';

const root = import.meta.dirname;
const dist = path.join(root, 'dist');
const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));

const refuse = (what) => `throw new Error(${JSON.stringify(`${what} is not part of Shorelet`)});`;

/**
 * Modules that a dependency loads eagerly for features that Shorelet does not offer, and what stands in for them. `importer`
 * narrows each to the package that does so.
 */
const STUBS = [
  // Requests to the node have no bodies; the parser brings every character set there is.
  {
    importer: /\/express\/lib\//,
    module: /^body-parser$/,
    code: `for (const kind of ['json', 'raw', 'text', 'urlencoded']) exports[kind] = () => { ${refuse('A request body parser')} };`,
  },
  // Messages are our own, in one language.
  { importer: /\/zod\/v4\//, module: /\/locales\/index\.js$/, code: 'export {};' },
  {
    importer: /\/docker-modem\//,
    module: /^ssh2$/,
    code: `module.exports.Client = class { constructor() { ${refuse('An ssh:// Docker endpoint')} } };`,
  },
  { importer: /\/dockerode\//, module: /\/session$/, code: `module.exports = () => { ${refuse('A BuildKit session')} };` },
  {
    importer: /\/client-node\/dist\//,
    module: /\/gen\/index\.js$/,
    code: `export const createConfiguration = () => { ${refuse('The generated API client')} }; export class ServerConfiguration {}`,
  },
  {
    importer: /\/client-node\/dist\//,
    module: /\/middleware\.js$/,
    code: `export const setHeaderMiddleware = () => { ${refuse('The generated API client')} };`,
  },
  { importer: /\/client-node\/dist\//, module: /^undici$/, code: `export class Agent {} export class ProxyAgent {}` },
  {
    importer: /\/client-node\/dist\//,
    module: /^socks-proxy-agent$/,
    code: `export class SocksProxyAgent { constructor() { ${refuse('A SOCKS proxy')} } }`,
  },
  { importer: /\/client-node\/dist\//, module: /^socks$/, code: `export class SocksClient {}` },
  { importer: /\/client-node\/dist\//, module: /^hpagent$/, code: `export class HttpProxyAgent {} export class HttpsProxyAgent {}` },
  {
    importer: /\/client-node\/dist\//,
    module: /^openid-client$/,
    code: `export const discovery = () => { ${refuse('The OIDC auth provider')} };`,
  },
  {
    importer: /\/client-node\/dist\//,
    module: /^jsonpath-plus$/,
    code: `export const JSONPath = () => { ${refuse('The gcp and azure auth providers')} };`,
  },
];

const stubs = {
  name: 'stubs',
  setup(builder) {
    builder.onResolve({ filter: /.*/ }, ({ path: module, importer }) => {
      const index = STUBS.findIndex((stub) => stub.importer.test(importer) && stub.module.test(module));
      return index < 0 ? undefined : { path: String(index), namespace: 'stub' };
    });
    builder.onLoad({ filter: /.*/, namespace: 'stub' }, ({ path: index }) => ({ contents: STUBS[Number(index)].code, loader: 'js' }));
  },
};

/** Packages that must not be in the chunks loaded at start: each costs tens of megabytes, or is loaded only when in use. */
const NOT_AT_START = [
  /node_modules\/ssh2\//,
  /node_modules\/@grpc\//,
  /node_modules\/protobufjs\//,
  /client-node\/dist\/gen\//,
  /node_modules\/undici\//,
];

/** Loaded first: switches V8's compile cache on before anything large is parsed. */
const START = `import module from 'node:module';
module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
await import('./shorelet.mjs');
`;

/**
 * The `shorelet` command. A sh script and not a Node one: the machine's own Node may be too old, and a second Node process to
 * start the right one would stay. It resolves its own link (npm makes one) and becomes the Node that came with the package.
 */
const LAUNCHER = `#!/bin/sh
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in
    /*) self=$link ;;
    *) self=$(dirname "$self")/$link ;;
  esac
done
here=$(cd "$(dirname "$self")" && pwd -P) || exit 1
case $(uname -m) in
  x86_64 | amd64) arch=x64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) echo "shorelet: no Node is packaged for $(uname -m); x86_64 and aarch64 are supported" >&2; exit 1 ;;
esac
for modules in "$here/../node_modules" "$here/../.." ; do
  node=$modules/node-linux-$arch/bin/node
  [ -x "$node" ] && exec "$node" --max-semi-space-size=2 "$here/main.mjs" "$@"
done
echo "shorelet: the package node-linux-$arch is missing beside $here; install with optional dependencies (npm install --include=optional)" >&2
exit 1
`;

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });

const result = await build({
  absWorkingDir: root,
  entryPoints: { shorelet: 'src/main.ts', 'netns-helper': 'src/network/netns-helper.ts' },
  outdir: dist,
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  treeShaking: true,
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: true,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  define: { 'process.env.SHORELET_VERSION': JSON.stringify(version) },
  // CommonJS dependencies call require() for Node's own modules.
  banner: {
    js: "import { createRequire as shoreletCreateRequire } from 'node:module'; const require = shoreletCreateRequire(import.meta.url);",
  },
  external: ['cpu-features'],
  plugins: [stubs],
  logLevel: 'warning',
});

checkStartChunks(result.metafile);
await writeFile(path.join(dist, 'main.mjs'), START);
await writeFile(path.join(dist, 'shorelet'), LAUNCHER);
await chmod(path.join(dist, 'shorelet'), 0o755);
await mkdir(path.join(dist, 'pause'), { recursive: true });
for (const architecture of ['x64', 'arm64']) {
  await writeFile(path.join(dist, 'pause', `pause-${architecture}`), pauseProgram(architecture), { mode: 0o755 });
}
report(result.metafile);

/** Follows static imports from the main entry; a heavy package there is a build error. */
function checkStartChunks(metafile) {
  const seen = new Set();
  const follow = (file) => {
    if (seen.has(file)) return;
    seen.add(file);
    const output = metafile.outputs[file];
    for (const input of Object.keys(output?.inputs ?? {})) {
      const heavy = NOT_AT_START.find((pattern) => pattern.test(input));
      if (heavy) throw new Error(`${input} would be loaded at start (in ${file}); import it lazily or stub it in build.mjs`);
    }
    for (const imported of output?.imports ?? []) if (imported.kind === 'import-statement') follow(imported.path);
  };
  follow('dist/shorelet.mjs');
}

function report(metafile) {
  for (const [file, output] of Object.entries(metafile.outputs)) {
    if (file.endsWith('.mjs') && output.bytes > 50_000) console.log(`${file} ${Math.round(output.bytes / 1000)} kB`);
  }
}
