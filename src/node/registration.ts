/** The Node object as this agent registers it, and how it adopts one (kubelet pkg/kubelet/kubelet_node_status.go). */
import type { NodeObject, NodeStatus, Taint } from '../api/types.ts';
import { NODES } from '../cluster/resources.ts';
import type { ApiClient } from '../cluster/types.ts';
import { errorCode, isAlreadyExists, isNotFound } from '../lib/errors.ts';
import type { MachineFacts } from '../resources/machine.ts';
import type { OwnLabels } from './desired-node.ts';
import type { NodeSettings } from './types.ts';

const MANAGED_ATTACH = 'volumes.kubernetes.io/controller-managed-attach-detach';
/** cloud-provider's words for a node that it has not completed yet. */
const UNINITIALIZED: Taint = { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' };

/** Labels whose value an adopted node gets from this one (updateDefaultLabels). */
const ADOPTED_LABELS = [
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'type', // virtual-kubelet's
];

/** Labels that say what the machine is. */
export function machineLabels(machine: MachineFacts): OwnLabels {
  return { 'kubernetes.io/os': machine.operatingSystem, 'kubernetes.io/arch': machine.architecture };
}

/** The object to create. */
export function initialNode(settings: NodeSettings, machine: MachineFacts, status: NodeStatus): NodeObject {
  const taints = initialTaints(settings);
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: settings.nodeName,
      labels: {
        'kubernetes.io/hostname': settings.hostname,
        ...machineLabels(machine),
        'beta.kubernetes.io/os': machine.operatingSystem,
        'beta.kubernetes.io/arch': machine.architecture,
        ...(settings.virtualKubelet === undefined ? {} : { type: 'virtual-kubelet' }),
        ...settings.nodeLabels,
      },
      ...(settings.controllerAttachDetach ? { annotations: { [MANAGED_ATTACH]: 'true' } } : {}),
    },
    spec: {
      ...(taints.length > 0 ? { taints } : {}),
      ...(settings.providerId === '' ? {} : { providerID: settings.providerId }),
    },
    status,
  };
}

function initialTaints({ registerWithTaints, externalCloudProvider, virtualKubelet }: NodeSettings): Taint[] {
  return [
    ...registerWithTaints.map((taint) => ({ ...taint })),
    ...(externalCloudProvider ? [UNINITIALIZED] : []),
    ...(virtualKubelet === undefined ? [] : [{ key: 'virtual-kubelet.io/provider', value: virtualKubelet.provider, effect: 'NoSchedule' }]),
  ];
}

/**
 * Creates the node, or adopts the one of its name: labels that describe the machine and the attach annotation are set right,
 * everything else on it stays.
 * @throws what the API server says
 */
export async function register(
  client: Pick<ApiClient, 'create' | 'get' | 'patch'>,
  node: NodeObject,
  signal: AbortSignal,
): Promise<NodeObject> {
  try {
    return await client.create(NODES, {}, node, signal);
  } catch (error) {
    if (isAlreadyExists(error)) return adopt(client, node, await client.get(NODES, { name: node.metadata.name }, signal), signal);
    if (errorCode(error) !== 'PermissionDenied') throw error;
    // Not allowed to create it, but somebody else may have; if not, that it is not allowed is the thing to say.
    const existing = await client.get(NODES, { name: node.metadata.name }, signal).catch((absent: unknown) => {
      throw isNotFound(absent) ? error : absent;
    });
    return adopt(client, node, existing, signal);
  }
}

async function adopt(client: Pick<ApiClient, 'patch'>, node: NodeObject, existing: NodeObject, signal: AbortSignal): Promise<NodeObject> {
  const body = adoptionPatch(node, existing);
  if (body === undefined) return existing;
  return client.patch(NODES, { name: node.metadata.name, subresource: 'status' }, { type: 'strategic-merge', body }, signal);
}

/** Metadata that has to change on an existing node to be this one; `undefined` when nothing has. Its status follows with the first report. */
export function adoptionPatch(node: NodeObject, existing: NodeObject): object | undefined {
  const labels: Record<string, string> = {};
  for (const name of ADOPTED_LABELS) {
    const value = node.metadata.labels?.[name];
    if (value !== undefined && value !== '' && value !== existing.metadata.labels?.[name]) labels[name] = value;
  }
  const managed = node.metadata.annotations?.[MANAGED_ATTACH];
  const annotations = existing.metadata.annotations?.[MANAGED_ATTACH] === managed ? {} : { [MANAGED_ATTACH]: managed ?? null };
  if (Object.keys(labels).length === 0 && Object.keys(annotations).length === 0) return undefined;
  return { metadata: { labels, annotations } };
}
