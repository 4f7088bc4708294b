/** The view's entries in CRI's messages. */
import type {
  Container,
  ContainerFilter,
  ContainerStatus,
  Mount,
  MountPropagation,
  PodSandbox,
  PodSandboxFilter,
  PodSandboxState,
  PodSandboxStatus,
  StringMap,
} from '../runtime/types.ts';
import { interpretState } from './container-state.ts';
import type { ContainerInspection, EngineImage, EngineMount } from './engine.ts';
import { contentReference } from './image-references.ts';
import type { ContainerRecord, SandboxRecord } from './records.ts';
import { criResources } from './resource-config.ts';

/** @param image `undefined` when it has been removed meanwhile */
export function toContainerStatus(
  inspection: ContainerInspection,
  record: ContainerRecord,
  image: EngineImage | undefined,
): ContainerStatus {
  const state = interpretState(inspection);
  return {
    id: inspection.id,
    metadata: record.metadata,
    ...state,
    createdAt: inspection.createdAt,
    image: imageSpec(inspection, record),
    imageRef: imageRef(inspection, record, image),
    imageId: inspection.imageId,
    labels: record.labels,
    annotations: record.annotations,
    mounts: inspection.mounts.map(toMount),
    logPath: record.logPath,
    resources: criResources(inspection.resources),
    ...(inspection.stopSignal === undefined ? {} : { stopSignal: inspection.stopSignal }),
  };
}

export function toContainer(inspection: ContainerInspection, record: ContainerRecord, image: EngineImage | undefined): Container {
  return {
    id: inspection.id,
    podSandboxId: record.sandboxId,
    metadata: record.metadata,
    image: imageSpec(inspection, record),
    imageRef: imageRef(inspection, record, image),
    imageId: inspection.imageId,
    state: interpretState(inspection).state,
    createdAt: inspection.createdAt,
    labels: record.labels,
    annotations: record.annotations,
  };
}

/** What is known of a sandbox: its container may be gone, and then its checkpoint speaks for it. */
export interface SandboxFacts {
  readonly id: string;
  readonly record: SandboxRecord;
  readonly state: PodSandboxState;
  readonly createdAt: bigint;
  readonly ips: readonly string[];
}

export function toPodSandboxStatus({ id, record, state, createdAt, ips }: SandboxFacts): PodSandboxStatus {
  const { metadata, labels, annotations, runtimeHandler, namespaceOptions } = record;
  return { id, metadata, state, createdAt, ips, namespaceOptions, labels, annotations, runtimeHandler };
}

export function toPodSandbox({ id, record, state, createdAt }: SandboxFacts): PodSandbox {
  const { metadata, labels, annotations, runtimeHandler } = record;
  return { id, metadata, state, createdAt, labels, annotations, runtimeHandler };
}

/** The part of a container filter that does not change in a container's life. */
export function matchesRecord(filter: ContainerFilter, record: ContainerRecord, id: string): boolean {
  return (
    (isUnset(filter.id) || filter.id === id) &&
    (isUnset(filter.podSandboxId) || filter.podSandboxId === record.sandboxId) &&
    hasLabels(record.labels, filter.labelSelector)
  );
}

export function matchesSandbox(filter: PodSandboxFilter, sandbox: SandboxFacts): boolean {
  return (
    (isUnset(filter.id) || filter.id === sandbox.id) &&
    (filter.state === undefined || filter.state === sandbox.state) &&
    hasLabels(sandbox.record.labels, filter.labelSelector)
  );
}

function imageSpec(inspection: ContainerInspection, record: ContainerRecord): ContainerStatus['image'] {
  const name = record.userSpecifiedImage === '' ? inspection.image : record.userSpecifiedImage;
  return { image: name, userSpecifiedImage: record.userSpecifiedImage };
}

function imageRef(inspection: ContainerInspection, record: ContainerRecord, image: EngineImage | undefined): string {
  return image === undefined ? inspection.imageId : contentReference(image, record.userSpecifiedImage);
}

function toMount(mount: EngineMount): Mount {
  return {
    containerPath: mount.destination,
    hostPath: mount.source,
    readonly: !mount.writable,
    selinuxRelabel: false,
    propagation: PROPAGATIONS[mount.propagation] ?? 'private',
  };
}

const PROPAGATIONS: Readonly<Record<string, MountPropagation>> = {
  rslave: 'hostToContainer',
  slave: 'hostToContainer',
  rshared: 'bidirectional',
  shared: 'bidirectional',
};

function hasLabels(labels: StringMap, selector: StringMap | undefined): boolean {
  return selector === undefined || Object.entries(selector).every(([key, value]) => labels[key] === value);
}

/** gRPC's empty string is no filter. */
function isUnset(value: string | undefined): boolean {
  return value === undefined || value === '';
}
