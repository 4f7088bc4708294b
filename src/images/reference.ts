/** Image references, normalised as Docker does (github.com/distribution/reference). */
import { InvalidInputError } from '../lib/errors.ts';
import { quote } from '../lib/quote.ts';

export interface ImageReference {
  /** Registry host with its port: `docker.io`, `registry.example.com:5000`. */
  readonly domain: string;
  /** Repository in the registry: `library/nginx`. */
  readonly path: string;
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
}

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DEFAULT_DOMAIN = 'index.docker.io';
const MAX_PATH_LENGTH = 255;
const DIGEST_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

const DOMAIN_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = new RegExp(`^(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const PATH_PART = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const PATH = new RegExp(`^${PATH_PART}(?:/${PATH_PART})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*):([0-9a-fA-F]{32,})$/;

/** @throws InvalidInputError with Docker's words for what is wrong */
export function parseImageReference(image: string): ImageReference {
  try {
    return parse(image);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    throw new InvalidInputError(`couldn't parse image name ${quote(image)}: ${error.message}`);
  }
}

/** Fully qualified, without tag and digest: what credentials are looked up for. */
export function repositoryOf({ domain, path }: ImageReference): string {
  return `${domain}/${path}`;
}

/** The image as written, with `:latest` where it names neither tag nor digest. */
export function withDefaultTag(image: string, { tag, digest }: ImageReference): string {
  return tag === undefined && digest === undefined ? `${image}:latest` : image;
}

/** What an absent pull policy means (upstream pkg/apis/core/v1/defaults.go SetDefaults_Container). */
export function defaultPullPolicy({ tag, digest }: ImageReference): 'Always' | 'IfNotPresent' {
  return digest === undefined && (tag ?? 'latest') === 'latest' ? 'Always' : 'IfNotPresent';
}

function parse(image: string): ImageReference {
  if (/^[a-f0-9]{64}$/.test(image)) {
    throw new InvalidInputError(`invalid repository name (${image}), cannot specify 64-byte hexadecimal strings`);
  }
  const { domain, remainder } = splitDomain(image);
  const [beforeDigest = '', digest] = splitOnce(remainder, '@');
  const [path = '', tag] = splitOnce(beforeDigest, ':');
  if (path !== path.toLowerCase()) throw new InvalidInputError(`invalid reference format: repository name (${path}) must be lowercase`);
  if (!DOMAIN.test(domain) || !PATH.test(path) || (tag !== undefined && !TAG.test(tag)))
    throw new InvalidInputError('invalid reference format');
  if (path.length > MAX_PATH_LENGTH) {
    throw new InvalidInputError(`repository name must not be more than ${MAX_PATH_LENGTH} characters`);
  }
  if (digest !== undefined) checkDigest(digest);
  return { domain, path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** The first part is a registry only if it could not be a user's name on Docker Hub. */
function splitDomain(image: string): { domain: string; remainder: string } {
  const [first = '', rest] = splitOnce(image, '/');
  const isDomain = rest !== undefined && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const domain = isDomain && first !== LEGACY_DEFAULT_DOMAIN ? first : DEFAULT_DOMAIN;
  const remainder = isDomain ? rest : image;
  return { domain, remainder: domain === DEFAULT_DOMAIN && !remainder.includes('/') ? `library/${remainder}` : remainder };
}

function checkDigest(digest: string): void {
  const [, algorithm = '', hex = ''] = DIGEST.exec(digest) ?? [];
  if (algorithm === '') throw new InvalidInputError('invalid reference format');
  const length = DIGEST_LENGTHS[algorithm];
  if (length === undefined) throw new InvalidInputError('unsupported digest algorithm');
  if (hex.length !== length) throw new InvalidInputError('invalid checksum digest length');
  if (hex !== hex.toLowerCase()) throw new InvalidInputError('invalid checksum digest format');
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator);
  return index === -1 ? [text, undefined] : [text.slice(0, index), text.slice(index + separator.length)];
}
