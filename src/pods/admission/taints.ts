/** Taints and tolerations (k8s.io/api core/v1 toleration.go ToleratesTaint). */
import type { Pod, Taint, Toleration } from '../../api/types.ts';

/** Whether the pod tolerates every NoExecute taint; the others are the scheduler's business. */
export function toleratesNoExecute(pod: Pod, taints: readonly Taint[]): boolean {
  const tolerations = pod.spec.tolerations ?? [];
  return taints.every((taint) => taint.effect !== 'NoExecute' || tolerations.some((toleration) => tolerates(toleration, taint)));
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { effect = '', key = '', operator = '', value = '' } = toleration;
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  switch (operator) {
    case '':
    case 'Equal':
      return value === (taint.value ?? '');
    case 'Exists':
      return true;
    default:
      // Lt and Gt are an alpha feature of 1.37 (TaintTolerationComparisonOperators), off by default.
      return false;
  }
}
