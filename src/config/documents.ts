/** Configuration files: YAML (or JSON) with a KubeletConfiguration, a ShoreletConfiguration, or both. */
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { toError } from '../lib/errors.ts';
import { KUBELET_API_VERSION, KUBELET_KIND } from './kubelet-schema.ts';
import { isTree, type DocumentName, type Layer } from './layers.ts';
import { ConfigError } from './problems.ts';
import { SHORELET_API_VERSION, SHORELET_KIND } from './shorelet-schema.ts';

const DROP_IN_SUFFIX = '.conf';
const EXPECTED = `a document with apiVersion ${KUBELET_API_VERSION} and kind ${KUBELET_KIND}, or ${SHORELET_API_VERSION} and ${SHORELET_KIND}`;

/** The layers of the file and of the drop-in files of the directory, in order. @throws ConfigError */
export async function readDocuments(file: string | undefined, directory: string | undefined, signal: AbortSignal): Promise<Layer[]> {
  const files = file === undefined ? [] : [file];
  if (directory !== undefined) files.push(...(await dropInFiles(directory)));
  const layers: Layer[] = [];
  for (const name of files) layers.push(...parseDocuments(await read(name, signal), name));
  return layers;
}

/** The layers of one file's text. @throws ConfigError */
export function parseDocuments(text: string, source: string): Layer[] {
  const layers: Layer[] = [];
  const documents = parseAllDocuments(text);
  for (const document of Array.isArray(documents) ? documents : []) {
    const [fault] = document.errors;
    if (fault !== undefined) throw problem(source, 'YAML', fault.message.split('\n')[0] ?? '', 'Correct the file.');
    const content: unknown = document.toJS({ maxAliasCount: 100 });
    if (content === null || content === undefined) continue;
    const layer = layerOf(content, source);
    if (layers.some((other) => other.document === layer.document)) {
      throw problem(
        source,
        'each kind of document once',
        valueOfKind(content),
        'Join the documents of the same kind, or use --config-dir.',
      );
    }
    layers.push(layer);
  }
  return layers;
}

function layerOf(content: unknown, source: string): Layer {
  const name = isTree(content) ? documentName(content) : undefined;
  if (!isTree(content) || name === undefined) {
    throw problem(source, EXPECTED, valueOfKind(content), 'Correct apiVersion and kind.');
  }
  const { apiVersion: _apiVersion, kind: _kind, ...values } = content;
  return { document: name, source, values };
}

function documentName({ apiVersion, kind }: Record<string, unknown>): DocumentName | undefined {
  if (apiVersion === KUBELET_API_VERSION && kind === KUBELET_KIND) return 'kubelet';
  return apiVersion === SHORELET_API_VERSION && kind === SHORELET_KIND ? 'shorelet' : undefined;
}

function valueOfKind(content: unknown): unknown {
  return isTree(content) ? { apiVersion: content['apiVersion'], kind: content['kind'] } : content;
}

async function dropInFiles(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { recursive: true });
    return entries
      .filter((name) => name.endsWith(DROP_IN_SUFFIX))
      .sort()
      .map((name) => path.join(directory, name));
  } catch (error) {
    throw problem(directory, 'a readable directory', toError(error).message, 'Correct --config-dir.');
  }
}

async function read(file: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(file, { encoding: 'utf8', signal });
  } catch (error) {
    signal.throwIfAborted();
    throw problem(file, 'a readable file', toError(error).message, 'Correct --config.');
  }
}

function problem(source: string, expected: string, found: unknown, remedy: string): ConfigError {
  return new ConfigError([{ path: '', source, expected, found, remedy }]);
}
