import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, keyOf, type Progress } from './cache.ts';
import { docker } from './docker-api.ts';
import { recipes, type ImageName, type ImageRecipe, type RecipeContext } from './image-recipes.ts';
import { Rootfs } from './rootfs.ts';
import type { Tools } from './prerequisites.ts';
import { run } from './run.ts';

/** Part of every image's key. */
const recipeVersion = '2';

/** Whether images are wanted for an engine, and with what. */
export interface ImageOptions {
  readonly tools: Tools;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/** The first name of a test image, for use in a pod. */
export function imageTag(name: ImageName): string {
  return recipes[name].tags[0];
}

/**
 * The archive of a test image, as `docker load` and `ctr images import` take it,
 * made in the cache folder at the first use.
 */
export async function imageArchive(name: ImageName, options: ImageOptions): Promise<string> {
  const recipe: ImageRecipe = recipes[name];
  const binary = (await recipe.binary?.(options)) ?? '';
  const key = keyOf(recipeVersion, options.tools.root, binary, JSON.stringify(recipe), recipe.fill.toString());
  return cached({
    what: `the image ${name}`,
    path: `images/${name}-${key}.tar`,
    make: (target) => makeArchive(name, recipe, binary, target, options),
    progress: options.progress,
    signal: options.signal,
  });
}

/** Loads test images into the engine behind a socket, those that it does not have. */
export async function loadImages(socketPath: string, names: readonly ImageName[], options: ImageOptions): Promise<void> {
  const present = await tagsOf(socketPath, options.signal);
  const wanted = names.filter((name) => !recipes[name].tags.every((tag) => present.has(tag)));
  for (const name of wanted) {
    const archive = await imageArchive(name, options);
    const answer = await docker(socketPath, '/images/load?quiet=true', {
      method: 'POST',
      body: createReadStream(archive),
      timeoutMs: 180_000,
      signal: options.signal,
    });
    // The engine answers 200 before it reads the archive: a failure is in the stream.
    if (answer.includes('"error"')) throw new Error(`load the image ${name}: ${answer.trim()}`);
  }
}

/** All tags that an engine has. */
export async function tagsOf(socketPath: string, signal?: AbortSignal): Promise<Set<string>> {
  const images = JSON.parse(await docker(socketPath, '/images/json', { signal })) as { RepoTags: string[] | null }[];
  return new Set(images.flatMap((image) => image.RepoTags ?? []));
}

async function makeArchive(name: string, recipe: ImageRecipe, binary: string, target: string, context: RecipeContext): Promise<void> {
  context.progress(`making the image ${name}`);
  const work = `${target}.work`;
  const layout = join(work, 'layout');
  const rootfs = join(work, 'rootfs');
  await mkdir(layout, { recursive: true });
  await mkdir(rootfs);
  try {
    await recipe.fill(new Rootfs(rootfs, context.tools), context, binary);
    await tar(join(layout, 'layer.tar'), rootfs, ['--owner=0', '--group=0', '--numeric-owner']);
    const config = JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      created: '2026-01-01T00:00:00Z',
      config: recipe.config,
      rootfs: { type: 'layers', diff_ids: [`sha256:${await sha256OfFile(join(layout, 'layer.tar'))}`] },
      history: [{ created: '2026-01-01T00:00:00Z', created_by: 'shorelet test image' }],
    });
    const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
    await writeFile(join(layout, configName), config);
    const manifest = [{ Config: configName, RepoTags: recipe.tags, Layers: ['layer.tar'] }];
    await writeFile(join(layout, 'manifest.json'), JSON.stringify(manifest));
    await tar(target, layout, []);
    if ((await stat(target)).size === 0) throw new Error(`the image ${name} is empty`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The same files give the same bytes, whenever they were written. */
async function tar(target: string, folder: string, flags: readonly string[]): Promise<void> {
  const same = ['--sort=name', '--mtime=@1767225600', '--format=gnu', ...flags];
  await run(['tar', ...same, '--create', '--file', target, '--directory', folder, '.'], { timeoutMs: 300_000 });
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
