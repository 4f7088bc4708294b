import { readFileSync } from 'node:fs';

/** The kubelet release whose behaviour this agent has. */
export const KUBERNETES_VERSION = 'v1.37.2';

/** Version of this program, `0.1.0`: built into the bundle, read from package.json when it runs from source. */
export function programVersion(): string {
  const builtIn = process.env.SHORELET_VERSION;
  if (builtIn !== undefined) return builtIn;
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest && typeof manifest.version === 'string')
    return manifest.version;
  throw new Error('package.json has no version');
}

/** What the node reports: build metadata after `+`, because a `-` suffix would sort below the release. */
export function kubeletVersion(): string {
  return `${KUBERNETES_VERSION}+shorelet.${programVersion()}`;
}
