import type { IncomingMessage } from 'node:http';
import type { Pod } from '../api/types.ts';
import type { RemoteCommandStreams } from '../streaming/types.ts';
import { containerSpec, runningContainerId } from './find-container.ts';
import { HttpError } from './http-error.ts';
import type { NodeServerDeps } from './types.ts';

export type StreamDeps = Pick<NodeServerDeps, 'pods' | 'statuses' | 'runtime' | 'sandboxOf'>;

/** Where an authorized stream is to go. */
export interface OpenedStream {
  /** One-use URL on the runtime's streaming server. */
  readonly url: string;
  /** Of exec and attach. */
  readonly streams: RemoteCommandStreams | undefined;
}

type StreamVerb = 'exec' | 'attach' | 'portForward';

interface StreamRoute {
  readonly verb: StreamVerb;
  readonly namespace: string;
  readonly pod: string;
  /** Only this incarnation of the pod, when the caller names it. */
  readonly uid?: string;
  readonly container: string;
}

/** Whether the path is one of the four stream routes; anything else may not be upgraded. */
export function isStreamPath(path: string): boolean {
  return parseRoute(path) !== undefined;
}

/** Only the protocols that streams speak may be upgraded to; other offers are answered as ordinary requests. */
export function isStreamUpgrade(request: IncomingMessage): boolean {
  const protocol = request.headers.upgrade?.toLowerCase();
  return (protocol === 'websocket' || protocol === 'spdy/3.1') && isStreamPath(urlOf(request)?.pathname ?? '');
}

/**
 * Asks the runtime for the one-use URL that answers an exec, attach or port-forward request.
 * @throws HttpError 400 for wrong parameters, 404 for what does not exist or does not run
 */
export async function openStream(request: IncomingMessage, deps: StreamDeps, signal: AbortSignal): Promise<OpenedStream> {
  const url = urlOf(request);
  const route = url === undefined ? undefined : parseRoute(url.pathname);
  if (url === undefined || route === undefined) throw new HttpError(404, '404 page not found');
  const pod = findPod(route, deps);
  switch (route.verb) {
    case 'exec':
      return await openExec(pod, route, url.searchParams, deps, signal);
    case 'attach':
      return await openAttach(pod, route, url.searchParams, deps, signal);
    case 'portForward':
      return await openPortForward(pod, request, url.searchParams, deps, signal);
  }
}

export function findPod(
  route: { readonly namespace: string; readonly pod: string; readonly uid?: string },
  deps: Pick<StreamDeps, 'pods'>,
): Pod {
  const pod = deps.pods.byName(route.namespace, route.pod);
  if (pod === undefined) throw new HttpError(404, 'pod does not exist');
  if (route.uid !== undefined && pod.metadata.uid !== route.uid) throw new HttpError(404, 'pod not found');
  return pod;
}

async function openExec(
  pod: Pod,
  route: StreamRoute,
  query: URLSearchParams,
  deps: StreamDeps,
  signal: AbortSignal,
): Promise<OpenedStream> {
  const cmd = query.getAll('command');
  if (cmd.length === 0) throw new HttpError(400, 'you must specify at least 1 command parameter');
  const containerId = runningContainerId(deps.statuses.status(pod.metadata.uid) ?? pod.status, route.container);
  const streams = parseStreams(query);
  const { url } = await deps.runtime.exec({ containerId, cmd, ...streams }, signal);
  return { url, streams };
}

async function openAttach(
  pod: Pod,
  route: StreamRoute,
  query: URLSearchParams,
  deps: StreamDeps,
  signal: AbortSignal,
): Promise<OpenedStream> {
  const containerId = runningContainerId(deps.statuses.status(pod.metadata.uid) ?? pod.status, route.container);
  const asked = parseStreams(query);
  // What the container was created with decides: a terminal cannot be had afterwards, nor be refused.
  const tty = containerSpec(pod, route.container)?.tty ?? false;
  const streams = { ...asked, tty, stderr: asked.stderr && !tty };
  const { url } = await deps.runtime.attach({ containerId, ...streams }, signal);
  return { url, streams };
}

async function openPortForward(
  pod: Pod,
  request: IncomingMessage,
  query: URLSearchParams,
  deps: StreamDeps,
  signal: AbortSignal,
): Promise<OpenedStream> {
  const podSandboxId = deps.sandboxOf(pod.metadata.uid);
  if (podSandboxId === undefined) throw new HttpError(404, `failed to find sandbox for pod "${pod.metadata.name}"`);
  // SPDY, and SPDY inside WebSocket, name the port on each stream; the older WebSocket protocol names them all in advance.
  const tunnelled = (request.headers['sec-websocket-protocol'] ?? '').includes('SPDY/3.1+portforward.k8s.io');
  const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
  const ports = isWebSocket && !tunnelled ? parsePorts(query) : [];
  const { url } = await deps.runtime.portForward({ podSandboxId, ports }, signal);
  return { url, streams: undefined };
}

function parsePorts(query: URLSearchParams): number[] {
  const texts = query.getAll('port').flatMap((value) => value.split(','));
  if (texts.length === 0) throw new HttpError(400, 'query parameter "port" is required');
  return texts.map((text) => {
    const port = Number(text);
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw new HttpError(400, `port: want 1 to 65535, got "${text}"`);
    return port;
  });
}

/** The kubelet's parameter names (k8s.io/cri-streaming remotecommand NewOptions). */
function parseStreams(query: URLSearchParams): RemoteCommandStreams {
  const on = (name: string): boolean => ['1', 'true'].includes(query.get(name) ?? '');
  const tty = on('tty');
  const streams = { stdin: on('input'), stdout: on('output'), stderr: on('error') && !tty, tty }; // a terminal has one output
  if (!streams.stdin && !streams.stdout && !streams.stderr) {
    throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  }
  return streams;
}

/** The verb is taken literally, as authorization does: an escaped one is another path to it. */
function parseRoute(path: string): StreamRoute | undefined {
  const [, verb, ...escaped] = path.split('/');
  const rest = decoded(escaped);
  if (rest === undefined) return undefined;
  const [namespace, pod, third, fourth] = rest;
  if (!namespace || !pod) return undefined;
  if ((verb === 'exec' || verb === 'attach') && third) {
    if (rest.length === 3) return { verb, namespace, pod, container: third };
    if (rest.length === 4 && fourth) return { verb, namespace, pod, uid: third, container: fourth };
  }
  if (verb === 'portForward' && rest.length <= 3) {
    return { verb, namespace, pod, container: '', ...(third ? { uid: third } : {}) };
  }
  return undefined;
}

/** `undefined` when one is not well-formed: paths come from strangers. */
function decoded(parts: readonly string[]): string[] | undefined {
  try {
    return parts.map(decodeURIComponent);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function urlOf(request: IncomingMessage): URL | undefined {
  return URL.parse(request.url ?? '/', 'https://node') ?? undefined;
}
