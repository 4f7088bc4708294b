import { InvalidInputError } from '../lib/errors.ts';
import type { EngineImage } from './engine.ts';

const ID = /^(?:sha256:)?[0-9a-f]{64}$/;
/** What a reference may consist of; anything else would change the meaning of the URL that it goes into. */
const SAFE = /^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/;

/** @throws InvalidInputError when the text cannot be an image reference or id */
export function checkReference(reference: string): string {
  if (!SAFE.test(reference) || reference.includes('//') || reference.includes('..')) {
    throw new InvalidInputError(`"${reference}" is not a valid image reference`);
  }
  return reference;
}

/**
 * Whether an inspected image is what the reference names. The engine also looks references up as the beginning of an id, so that an
 * image called `beef` could be answered with another whose id begins with beef (dockershim libdocker helpers.go matchImageTagOrSHA).
 */
export function isImageOf(reference: string, image: EngineImage): boolean {
  if (ID.test(reference)) return image.id === (reference.startsWith('sha256:') ? reference : `sha256:${reference}`);
  const wanted = normalize(reference);
  const digest = digestOf(wanted);
  if (digest !== undefined) return image.id === digest || image.repoDigests.some((one) => digestOf(one) === digest);
  return image.repoTags.some((tag) => normalize(tag) === wanted);
}

/** `nginx` → `docker.io/library/nginx:latest`: the full name of what the engine abbreviates. A tag beside a digest is dropped. */
export function normalize(reference: string): string {
  const at = reference.indexOf('@');
  const digest = at < 0 ? '' : reference.slice(at);
  const named = at < 0 ? reference : reference.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const path = colon < 0 ? named : named.slice(0, colon);
  const tag = digest !== '' ? '' : colon < 0 ? ':latest' : named.slice(colon);
  return `${withDomain(path)}${tag}${digest}`;
}

/** The reference by which a container's status names its image's content: a digest where there is one, else the id. */
export function contentReference(image: EngineImage, userSpecified: string): string {
  const repository = repositoryOf(userSpecified);
  return image.repoDigests.find((digest) => repositoryOf(digest) === repository) ?? image.repoDigests[0] ?? image.id;
}

function repositoryOf(reference: string): string {
  return normalize(reference).replace(/(?:@.*|:[^/:]*)$/, '');
}

function digestOf(reference: string): string | undefined {
  const at = reference.indexOf('@');
  return at < 0 ? undefined : reference.slice(at + 1);
}

function withDomain(path: string): string {
  const slash = path.indexOf('/');
  const first = slash < 0 ? '' : path.slice(0, slash);
  const hasDomain = first === 'localhost' || first.includes('.') || first.includes(':');
  if (hasDomain) return path.replace(/^(?:index\.docker\.io|docker\.io)\/(?!.*\/)/, 'docker.io/library/').replace(/^index\./, '');
  return slash < 0 ? `docker.io/library/${path}` : `docker.io/${path}`;
}
