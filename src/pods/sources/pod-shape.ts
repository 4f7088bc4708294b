/**
 * The door for pods: whether what came in has the shape that the code behind relies on. Not the API server's validation; a
 * malformed object must only never end the process.
 */
import type { Pod } from '../../api/types.ts';

/** What is wrong, beginning with the path of the field; `undefined`: nothing. */
type Check = (value: unknown, path: string) => string | undefined;

/** The field that is wrong, with what was expected and what was found; `undefined`: it has the shape of a pod. */
export function describeMalformedPod(value: unknown): string | undefined {
  return pod(value, 'pod');
}

/** Whether it has the shape of a pod with name, namespace and UID. */
export function isPod(value: unknown): value is Pod {
  return describeMalformedPod(value) === undefined;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const type =
  (name: 'string' | 'number' | 'boolean'): Check =>
  (value, path) =>
    typeof value === name ? undefined : `${path}: expected a ${name}, found ${describe(value)}`;

const text = type('string');
const count = type('number');
const flag = type('boolean');

const name: Check = (value, path) =>
  typeof value === 'string' && value !== '' ? undefined : `${path}: expected a name, found ${describe(value)}`;

const numberOrText: Check = (value, path) =>
  typeof value === 'number' || typeof value === 'string' ? undefined : `${path}: expected a number or a string, found ${describe(value)}`;

const list =
  (item: Check, minimum = 0): Check =>
  (value, path) => {
    if (!Array.isArray(value)) return `${path}: expected a list, found ${describe(value)}`;
    if (value.length < minimum) return `${path}: expected at least ${minimum} entry`;
    return first(value.map((entry: unknown, index) => () => item(entry, `${path}[${index}]`)));
  };

const map =
  (item: Check): Check =>
  (value, path) =>
    isRecord(value)
      ? first(
          Object.entries(value).map(
            ([key, entry]) =>
              () =>
                item(entry, `${path}.${key}`),
          ),
        )
      : `${path}: expected an object, found ${describe(value)}`;

/** `required` fields have to be there; `optional` ones are checked when they are; others are not looked at. */
const object =
  (required: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>> = {}): Check =>
  (value, path) => {
    if (!isRecord(value)) return `${path}: expected an object, found ${describe(value)}`;
    const check =
      ([field, test]: [string, Check]) =>
      (): string | undefined =>
        test(value[field], `${path}.${field}`);
    const present = Object.entries(optional).filter(([field]) => value[field] !== undefined && value[field] !== null);
    return first([...Object.entries(required).map(check), ...present.map(check)]);
  };

const anything: Check = object({});
const handler = object(
  {},
  { exec: object({}, { command: list(text) }), httpGet: object({ port: numberOrText }), tcpSocket: object({ port: numberOrText }) },
);
const quantities = map(numberOrText);
const resources = object({}, { limits: quantities, requests: quantities });

const container = object(
  { name },
  {
    image: text,
    command: list(text),
    args: list(text),
    workingDir: text,
    env: list(object({ name }, { value: text, valueFrom: anything })),
    envFrom: list(anything),
    ports: list(object({ containerPort: count }, { name: text, hostPort: count, protocol: text, hostIP: text })),
    resources,
    volumeMounts: list(object({ name, mountPath: name }, { subPath: text, readOnly: flag })),
    volumeDevices: list(anything),
    livenessProbe: handler,
    readinessProbe: handler,
    startupProbe: handler,
    lifecycle: object({}, { postStart: handler, preStop: handler }),
    securityContext: anything,
    restartPolicy: text,
    restartPolicyRules: list(object({ action: text })),
  },
);

const spec = object(
  { containers: list(container, 1) },
  {
    initContainers: list(container),
    ephemeralContainers: list(container),
    volumes: list(object({ name })),
    restartPolicy: text,
    terminationGracePeriodSeconds: count,
    activeDeadlineSeconds: count,
    nodeName: text,
    nodeSelector: map(text),
    affinity: anything,
    tolerations: list(anything),
    securityContext: object({}, { sysctls: list(object({ name, value: text })), supplementalGroups: list(count) }),
    imagePullSecrets: list(anything),
    hostAliases: list(object({ ip: text })),
    readinessGates: list(object({ conditionType: text })),
    hostNetwork: flag,
    hostPID: flag,
    hostIPC: flag,
    overhead: quantities,
    resources,
    dnsConfig: object({}, { nameservers: list(text), searches: list(text), options: list(anything) }),
  },
);

const metadata = object(
  { name, namespace: name, uid: name },
  { labels: map(text), annotations: map(text), deletionTimestamp: text, deletionGracePeriodSeconds: count, generation: count },
);

const status = object(
  {},
  { phase: text, conditions: list(object({ type: name, status: text })), containerStatuses: list(object({ name })) },
);

const pod = object({ metadata, spec }, { status });

/** Runs the checks only as far as the first complaint. */
function first(checks: readonly (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const complaint = check();
    if (complaint !== undefined) return complaint;
  }
  return undefined;
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `the ${typeof value} ${JSON.stringify(value)?.slice(0, 80) ?? ''}`;
}
