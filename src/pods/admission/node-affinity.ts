/** nodeSelector and required node affinity (k8s.io/component-helpers scheduling/corev1/nodeaffinity). */
import { matchesRequirement, type LabelRequirement, type Labels } from '../../api/selectors.ts';
import type { Pod } from '../../api/types.ts';

export function matchesNodeAffinity(pod: Pod, node: { readonly name: string; readonly labels: Labels }): boolean {
  const selector = Object.entries(pod.spec.nodeSelector ?? {});
  if (!selector.every(([key, value]) => Object.hasOwn(node.labels, key) && node.labels[key] === value)) return false;
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (terms === undefined) return true;
  const fields: Labels = { 'metadata.name': node.name };
  return terms.some(({ matchExpressions = [], matchFields = [] }) => {
    // A term that demands nothing matches nothing.
    if (matchExpressions.length + matchFields.length === 0) return false;
    return holdAll(matchExpressions, node.labels) && holdAll(matchFields, fields);
  });
}

function holdAll(requirements: readonly LabelRequirement[], labels: Labels): boolean {
  return requirements.every((requirement) => matchesRequirement(requirement, labels));
}
