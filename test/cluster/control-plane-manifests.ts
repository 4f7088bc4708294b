import { randomBytes } from 'node:crypto';
import { apiServerKubeletUser } from './certificates.ts';

/** The two halves of a bootstrap token. */
export interface BootstrapToken {
  readonly id: string;
  readonly secret: string;
}

/** A token of the form that Kubernetes wants: 6 and 16 characters of a–z and 0–9. */
export function newBootstrapToken(): BootstrapToken {
  return { id: randomBytes(3).toString('hex'), secret: randomBytes(8).toString('hex') };
}

/** The Secret that makes a bootstrap token valid. */
export function bootstrapTokenManifest(token: BootstrapToken): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `bootstrap-token-${token.id}`, namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      'token-id': token.id,
      'token-secret': token.secret,
      'usage-bootstrap-authentication': 'true',
      'usage-bootstrap-signing': 'true',
    },
  };
}

/**
 * What kubeadm would have made: the API server may call nodes, bootstrap tokens
 * may ask for a node's certificate, and those requests are approved.
 */
export function clusterManifests(): readonly unknown[] {
  const csr = 'system:certificates.k8s.io:certificatesigningrequests';
  return [
    binding('shorelet-test:kubelet-api', 'system:kubelet-api-admin', { kind: 'User', name: apiServerKubeletUser }),
    binding('shorelet-test:bootstrap', 'system:node-bootstrapper', { kind: 'Group', name: 'system:bootstrappers' }),
    binding('shorelet-test:approve', `${csr}:nodeclient`, { kind: 'Group', name: 'system:bootstrappers' }),
    binding('shorelet-test:approve-renewal', `${csr}:selfnodeclient`, { kind: 'Group', name: 'system:nodes' }),
  ];
}

/** Who gets a role. */
export type Subject =
  | { readonly kind: 'User' | 'Group'; readonly name: string }
  | { readonly kind: 'ServiceAccount'; readonly name: string; readonly namespace: string };

/** A ClusterRoleBinding of one subject. */
export function binding(name: string, role: string, subject: Subject): unknown {
  const apiGroup = 'rbac.authorization.k8s.io';
  return {
    apiVersion: `${apiGroup}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup, kind: 'ClusterRole', name: role },
    subjects: [subject.kind === 'ServiceAccount' ? subject : { apiGroup, ...subject }],
  };
}
