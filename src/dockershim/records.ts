/**
 * What the dockershim writes on the engine's objects in order to know them again. The engine merges an image's labels into a
 * container's, and a pod's labels may be called anything, so answers never come from plain labels: one label holds a record of
 * everything, exactly as it was given. Labels are repeated in the plain for people and tools that look for `io.kubernetes.*`.
 */
import { z } from 'zod';
import type {
  ContainerConfig,
  ContainerMetadata,
  ImageSpec,
  NamespaceOptions,
  PodSandboxConfig,
  PodSandboxMetadata,
  StringMap,
} from '../runtime/types.ts';
import type { DNSConfig, PortMapping } from '../runtime/types.ts';

const PREFIX = 'shorelet.io/';
/** Whose object it is: an object without it, or with another value, does not exist for us. */
export const INSTANCE_LABEL = `${PREFIX}instance`;
/** `sandbox` or `container`, for people. */
const TYPE_LABEL = `${PREFIX}type`;
/** Id of a container's sandbox, for people. */
const SANDBOX_LABEL = `${PREFIX}sandbox-id`;
const RECORD_LABEL = `${PREFIX}record`;

export interface SandboxRecord {
  readonly kind: 'sandbox';
  readonly metadata: PodSandboxMetadata;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly runtimeHandler: string;
  readonly namespaceOptions: NamespaceOptions;
  readonly portMappings: readonly PortMapping[];
  /** As it was given; kept so that an interrupted start can be completed. */
  readonly dnsConfig?: DNSConfig | undefined;
}

export interface ContainerRecord {
  readonly kind: 'container';
  readonly sandboxId: string;
  readonly metadata: ContainerMetadata;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  /** What the pod called the image. */
  readonly userSpecifiedImage: string;
  /** Absolute path of the log on the host; empty when none was asked for. */
  readonly logPath: string;
}

export type EngineRecord = SandboxRecord | ContainerRecord;

export function sandboxRecord(config: PodSandboxConfig, runtimeHandler: string): SandboxRecord {
  return {
    kind: 'sandbox',
    metadata: config.metadata,
    labels: config.labels,
    annotations: config.annotations,
    runtimeHandler,
    namespaceOptions: config.linux.securityContext.namespaceOptions,
    portMappings: config.portMappings,
    ...(config.dnsConfig === undefined ? {} : { dnsConfig: config.dnsConfig }),
  };
}

export function containerRecord(sandboxId: string, config: ContainerConfig, logPath: string): ContainerRecord {
  return {
    kind: 'container',
    sandboxId,
    metadata: config.metadata,
    labels: config.labels,
    annotations: config.annotations,
    userSpecifiedImage: userSpecified(config.image),
    logPath,
  };
}

/** Every label of a new object. */
export function encodeRecord(instanceId: string, record: EngineRecord): Record<string, string> {
  const plain = Object.entries(record.labels).filter(([key]) => !key.startsWith(PREFIX));
  return {
    ...Object.fromEntries(plain),
    ...(record.kind === 'container' ? { [SANDBOX_LABEL]: record.sandboxId } : {}),
    [TYPE_LABEL]: record.kind,
    [INSTANCE_LABEL]: instanceId,
    [RECORD_LABEL]: JSON.stringify(record),
  };
}

/** `undefined` when the object is not this instance's, or its record cannot be read. */
export function decodeRecord(instanceId: string, labels: StringMap): EngineRecord | undefined {
  const text = labels[RECORD_LABEL];
  if (labels[INSTANCE_LABEL] !== instanceId || text === undefined) return undefined;
  try {
    return engineRecord.parse(JSON.parse(text));
  } catch (error) {
    // Only somebody who forged our labels gets here: as good as an object without them.
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

function userSpecified(image: ImageSpec): string {
  return image.userSpecifiedImage === undefined || image.userSpecifiedImage === '' ? image.image : image.userSpecifiedImage;
}

const stringMap = z.record(z.string(), z.string());
const mode = z.enum(['pod', 'container', 'node', 'target']);
const idMapping = z.object({ hostId: z.number(), containerId: z.number(), length: z.number() });

const namespaceOptions = z.object({
  network: mode,
  pid: mode,
  ipc: mode,
  targetId: z.string().exactOptional(),
  userns: z.object({ mode, uids: z.array(idMapping).exactOptional(), gids: z.array(idMapping).exactOptional() }).exactOptional(),
});

const podSandboxMetadata = z.object({ name: z.string(), uid: z.string(), namespace: z.string(), attempt: z.number() });

const portMapping = z.object({
  protocol: z.enum(['TCP', 'UDP', 'SCTP']),
  containerPort: z.number(),
  hostPort: z.number(),
  hostIp: z.string(),
});

/** Also the shape of what a sandbox's checkpoint keeps of it. */
export const sandboxRecordSchema = z.object({
  kind: z.literal('sandbox'),
  metadata: podSandboxMetadata,
  labels: stringMap,
  annotations: stringMap,
  runtimeHandler: z.string(),
  namespaceOptions,
  portMappings: z.array(portMapping),
  dnsConfig: z.object({ servers: z.array(z.string()), searches: z.array(z.string()), options: z.array(z.string()) }).exactOptional(),
});

const containerRecordSchema = z.object({
  kind: z.literal('container'),
  sandboxId: z.string(),
  metadata: z.object({ name: z.string(), attempt: z.number() }),
  labels: stringMap,
  annotations: stringMap,
  userSpecifiedImage: z.string(),
  logPath: z.string(),
});

const engineRecord = z.discriminatedUnion('kind', [sandboxRecordSchema, containerRecordSchema]);
