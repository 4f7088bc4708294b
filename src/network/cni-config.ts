/** CNI configuration lists (CNI spec "Network configuration format"; libcni conf.go). */
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';

/** Versions whose results have the shape that this program reads. */
const SUPPORTED_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];
const EXTENSIONS = ['.conf', '.conflist', '.json'];

const plugin = z.looseObject({
  type: z.string().regex(/^[A-Za-z0-9._-]+$/),
  capabilities: z.record(z.string(), z.boolean()).exactOptional(),
});
const version = z.string().default('0.1.0');
const list = z.object({
  cniVersion: version,
  name: z.string().min(1),
  disableCheck: z.boolean().default(false),
  plugins: z.array(plugin).min(1),
});
const single = z.looseObject({ cniVersion: version, name: z.string().min(1), type: z.string() });

export type CniPluginConfig = z.output<typeof plugin>;
/** JSON only: it is kept beside a sandbox's state, so that a network is taken down as it was set up. */
export type CniNetworkList = z.output<typeof list>;
/** Checks what was read back. */
export const cniNetworkListSchema = list;

/** The list in use, or why there is none; `problems` are files that had to be passed over. */
export interface CniConfiguration {
  readonly network: CniNetworkList | undefined;
  /** Where it was read. */
  readonly file?: string;
  readonly problems: readonly string[];
}

/** The first usable configuration of a directory in the order of the names, as every CNI runtime chooses it. */
export async function loadCniConfiguration(directory: string): Promise<CniConfiguration> {
  const problems: string[] = [];
  for (const name of await names(directory, problems)) {
    const file = path.join(directory, name);
    try {
      return { network: parseNetworkList(await readFile(file, 'utf8')), file, problems };
    } catch (error) {
      problems.push(`${file}: ${firstLine(error)}`);
    }
  }
  return { network: undefined, problems };
}

/** A list, or a single plugin's configuration as a list of one. @throws Error naming what is wrong */
export function parseNetworkList(text: string): CniNetworkList {
  const raw: unknown = JSON.parse(text);
  const isList = typeof raw === 'object' && raw !== null && 'plugins' in raw;
  const network = isList ? list.parse(raw) : listOfOne(single.parse(raw));
  if (!SUPPORTED_VERSIONS.includes(network.cniVersion)) {
    throw new Error(`cniVersion ${network.cniVersion} is not one of ${SUPPORTED_VERSIONS.join(', ')}`);
  }
  return network;
}

function listOfOne(config: z.output<typeof single>): CniNetworkList {
  const { cniVersion, name, ...rest } = config;
  return list.parse({ cniVersion, name, plugins: [rest] });
}

async function names(directory: string, problems: string[]): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => EXTENSIONS.includes(path.extname(name))).sort();
  } catch (error) {
    problems.push(`${directory}: ${firstLine(error)}`);
    return [];
  }
}

function firstLine(error: unknown): string {
  if (error instanceof z.ZodError) return error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`).join('; ');
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
}
