/** The hash that tells whether a running container is still the one its pod describes. */
import type { AnyContainerSpec } from './types.ts';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * Hash of what cannot change without a new container: name and image, as in kubelet pkg/kubelet/container/helpers.go
 * HashContainer (the numbers differ from the kubelet's). Lower-case hexadecimal, the value of the annotation
 * `io.kubernetes.container.hash`.
 */
export function containerHash(container: AnyContainerSpec): string {
  const text = JSON.stringify({ image: container.image ?? '', name: container.name });
  let hash = FNV_OFFSET;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, FNV_PRIME) >>> 0;
  return hash.toString(16);
}
