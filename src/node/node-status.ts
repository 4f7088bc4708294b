/** The node's status from facts: pure (kubelet pkg/kubelet/nodestatus/setters.go). */
import type { NodeCondition, NodeStatus } from '../api/types.ts';
import { formatTime } from '../api/meta.ts';
import type { NodeResources } from '../resources/allocatable.ts';
import type { MachineFacts } from '../resources/machine.ts';
import { isHugePages } from '../resources/pod-resources.ts';
import type { PressureType } from '../resources/pressure.ts';
import type { Image, RuntimeHandler, RuntimeStatus, VersionInfo } from '../runtime/types.ts';
import type { NodeAddress } from './addresses.ts';
import type { NodeSettings } from './types.ts';

export interface NodeFacts {
  readonly machine: MachineFacts;
  readonly resources: NodeResources;
  readonly addresses: readonly NodeAddress[];
  /** `undefined` until the runtime has answered. */
  readonly runtime: VersionInfo | undefined;
  readonly handlers: readonly RuntimeHandler[];
  readonly features: RuntimeStatus['features'] | undefined;
  readonly images: readonly Image[];
  readonly volumesInUse: readonly string[];
  readonly pressures: ReadonlySet<PressureType>;
  /** Empty: ready. */
  readonly notReadyReasons: readonly string[];
}

/** Something that is to be told as an event about the node. */
export interface NodeEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface BuiltStatus {
  readonly status: NodeStatus;
  readonly events: readonly NodeEvent[];
}

/** Names of an image that are listed (setters.go MaxNamesPerImageInNodeStatus). */
const MAX_NAMES = 5;

/** The status to report, given the one that is known. Conditions keep their transition time as long as they keep their status. */
export function buildNodeStatus(settings: NodeSettings, facts: NodeFacts, previous: NodeStatus | undefined, nowMs: number): BuiltStatus {
  const events: NodeEvent[] = [];
  const statusEvent = (reason: string): NodeEvent => ({
    type: 'Normal',
    reason,
    message: `Node ${settings.nodeName} status is now: ${reason}`,
  });
  const conditions = desiredConditions(settings, facts).map(({ event, ...wanted }): NodeCondition => {
    const before = previous?.conditions?.find(({ type }) => type === wanted.type);
    const changed = before?.status !== wanted.status;
    // A pressure is told of from the start; readiness only when it changes (setters.go).
    if (changed && event !== undefined && (before !== undefined || wanted.type !== 'Ready')) events.push(statusEvent(event));
    const now = formatTime(nowMs);
    return { ...wanted, lastHeartbeatTime: now, lastTransitionTime: changed ? now : (before?.lastTransitionTime ?? now) };
  });
  const bootId = previous?.nodeInfo?.bootID;
  if (bootId !== undefined && bootId !== '' && bootId !== facts.machine.bootId) {
    events.push({
      type: 'Warning',
      reason: 'Rebooted',
      message: `Node ${settings.nodeName} has been rebooted, boot id: ${facts.machine.bootId}`,
    });
  }
  return { status: { ...plainFields(settings, facts, previous), conditions }, events };
}

function plainFields(settings: NodeSettings, facts: NodeFacts, previous: NodeStatus | undefined): NodeStatus {
  const { machine, runtime, features } = facts;
  return {
    ...withForeignResources(facts.resources, previous),
    addresses: facts.addresses.map((address) => ({ ...address })),
    daemonEndpoints: { kubeletEndpoint: { Port: settings.port } },
    nodeInfo: {
      machineID: machine.machineId,
      systemUUID: machine.systemUuid,
      bootID: machine.bootId,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: runtime === undefined ? 'Unknown' : `${runtime.runtimeName}://${runtime.runtimeVersion}`,
      kubeletVersion: settings.kubeletVersion,
      kubeProxyVersion: '',
      operatingSystem: machine.operatingSystem,
      architecture: machine.architecture,
      ...(machine.swapBytes > 0 ? { swap: { capacity: machine.swapBytes } } : {}),
    },
    images: imageList(facts.images, settings.maxImages),
    volumesInUse: [...facts.volumesInUse].sort(),
    declaredFeatures: [...settings.declaredFeatures],
    runtimeHandlers: facts.handlers.map(({ name, features: has }) => ({
      name,
      features: { recursiveReadOnlyMounts: has.recursiveReadOnlyMounts, userNamespaces: has.userNamespaces },
    })),
    ...(features === undefined ? {} : { features: { supplementalGroupsPolicy: features.supplementalGroupsPolicy } }),
  };
}

/** Largest first; images without a name cannot be asked for. */
function imageList(images: readonly Image[], max: number): { names: string[]; sizeBytes: number }[] {
  const named = images
    .map(({ repoDigests, repoTags, size }) => ({ names: [...repoDigests, ...repoTags].slice(0, MAX_NAMES), sizeBytes: size }))
    .filter(({ names }) => names.length > 0)
    .sort((a, b) => b.sizeBytes - a.sizeBytes || ((a.names[0] ?? '') < (b.names[0] ?? '') ? -1 : 1));
  return max < 0 ? named : named.slice(0, max);
}

/** Resources that others have put on the node stay, and what is capacity is allocatable too; huge pages are this machine's alone. */
function withForeignResources({ capacity, allocatable }: NodeResources, previous: NodeStatus | undefined) {
  const foreign = Object.fromEntries(
    Object.entries(previous?.capacity ?? {}).filter(([name]) => !OWN_RESOURCES.has(name) && !isHugePages(name)),
  );
  return { capacity: { ...foreign, ...capacity }, allocatable: { ...foreign, ...allocatable } };
}

const OWN_RESOURCES: ReadonlySet<string> = new Set(['cpu', 'memory', 'pods', 'ephemeral-storage']);

type DesiredCondition = Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'> & { readonly event?: string };

interface PressureWords {
  readonly type: PressureType;
  readonly yes: readonly [reason: string, message: string, event: string];
  readonly no: readonly [reason: string, message: string, event: string];
}

const PRESSURES: readonly PressureWords[] = [
  {
    type: 'MemoryPressure',
    yes: ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available', 'NodeHasInsufficientMemory'],
    no: ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available', 'NodeHasSufficientMemory'],
  },
  {
    type: 'DiskPressure',
    yes: ['KubeletHasDiskPressure', 'kubelet has disk pressure', 'NodeHasDiskPressure'],
    no: ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure', 'NodeHasNoDiskPressure'],
  },
  {
    type: 'PIDPressure',
    yes: ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available', 'NodeHasInsufficientPID'],
    no: ['KubeletHasSufficientPID', 'kubelet has sufficient PID available', 'NodeHasSufficientPID'],
  },
];

/** Ready comes last: older controllers look for it there. */
function desiredConditions(settings: NodeSettings, facts: NodeFacts): DesiredCondition[] {
  const { networkUnavailable } = settings;
  const network: DesiredCondition[] =
    networkUnavailable === undefined ? [] : [{ type: 'NetworkUnavailable', status: 'False', ...networkUnavailable }];
  const pressures = PRESSURES.map(({ type, yes, no }): DesiredCondition => {
    const under = facts.pressures.has(type);
    const [reason, message, event] = under ? yes : no;
    return { type, status: under ? 'True' : 'False', reason, message, event };
  });
  return [...network, ...pressures, readyCondition(facts.notReadyReasons)];
}

function readyCondition(reasons: readonly string[]): DesiredCondition {
  if (reasons.length === 0) {
    return { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status', event: 'NodeReady' };
  }
  const [only = ''] = reasons;
  const message = reasons.length === 1 ? only : `[${reasons.join(', ')}]`;
  return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message, event: 'NodeNotReady' };
}
