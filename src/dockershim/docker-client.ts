/** The only file that knows dockerode: Docker Engine's HTTP API as the verbs of engine.ts. */
import { IncomingMessage } from 'node:http';
import { Duplex, Readable } from 'node:stream';
import { URL } from 'node:url';
import Docker from 'dockerode';
import { withDeadline } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError, FailedPreconditionError, InvalidInputError, UnavailableError, isNotFound } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { Semaphore } from '../lib/semaphore.ts';
import { engineAnswers } from './engine-answers.ts';
import { engineError, isNotModified } from './engine-errors.ts';
import { CONTAINER_EVENTS, type DockerEngine, type EngineEvent, type EngineVersion, type PullProgress } from './engine.ts';
import { readLines } from './lines.ts';

export interface DockerClientOptions {
  /** `unix:///path` or `tcp://host:port`. */
  readonly endpoint: string;
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Limit of every call, in milliseconds. */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  /** Gets a debug line for each call when given. */
  readonly trace?: Logger;
}

/** Docker 20.10; what came before lacks options that pods need. */
const MIN_API = '1.41';
/** Newest API this client was written against: an engine that is newer is spoken to in this one. */
const MAX_API = '1.51';
/**
 * Creating, starting, killing and removing at the same time. On two cores the engine is no faster with more than 4, and with some 140 at
 * once it has been seen to wedge.
 */
const HEAVY_CALLS = 12;
/** For the calls that make a connection: whoever wants to know whether the engine is there should not wait for long. */
const CONNECT_LIMIT_MS = 10_000;
/** A dropped TCP connection is noticed after a few of these without an answer. */
const KEEP_ALIVE_MS = 15_000;
/** Longest JSON line of an event or of pull progress; real ones are some kilobytes. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
const DIGEST = /@(sha256:[0-9a-f]{64})$/;

/** @throws InvalidInputError for an endpoint that cannot be used */
export function createDockerClient(options: DockerClientOptions): DockerEngine {
  const target = parseEndpoint(options.endpoint);
  const heavyCalls = new Semaphore(HEAVY_CALLS);
  let docker = connect(MIN_API);

  function connect(apiVersion: string | undefined): Docker {
    const tls = options.tls === undefined ? {} : { ...options.tls, protocol: 'https' as const };
    const version = apiVersion === undefined ? {} : { version: `v${apiVersion}` };
    return new Docker({ ...target, ...tls, ...version });
  }

  /** `stage` reads on from "failed to"; `work` gets a signal that ends with the deadline. */
  async function call<T>(
    stage: string,
    signal: AbortSignal,
    work: (abort: AbortSignal) => Promise<T>,
    limitMs = options.requestTimeoutMs,
  ): Promise<T> {
    const began = options.clock.monotonic();
    try {
      return await withDeadline(options.clock, stage, limitMs, signal, work);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw engineError(stage, options.endpoint, error);
    } finally {
      options.trace?.debug('Called the engine', { call: stage, ms: Math.round(options.clock.monotonic() - began) });
    }
  }

  function heavy<T>(stage: string, signal: AbortSignal, work: (abort: AbortSignal) => Promise<T>): Promise<T> {
    return call(stage, signal, (abort) => heavyCalls.run(abort, () => work(abort)));
  }

  return {
    endpoint: options.endpoint,

    async negotiate(signal): Promise<EngineVersion> {
      const answer = await call('ask the engine for its version', signal, () => connect(undefined).version(), CONNECT_LIMIT_MS);
      const engine = engineAnswers.version(answer);
      if (compareVersions(engine.ApiVersion, MIN_API) < 0) {
        throw new FailedPreconditionError(
          `Docker Engine ${engine.Version} at ${options.endpoint} speaks API ${engine.ApiVersion}, but ${MIN_API} (Docker 20.10) or later is needed`,
        );
      }
      if (compareVersions(engine.MinAPIVersion, MAX_API) > 0) {
        throw new FailedPreconditionError(
          `Docker Engine ${engine.Version} at ${options.endpoint} speaks only API ${engine.MinAPIVersion} and later, but ${MAX_API} is the newest known`,
        );
      }
      const apiVersion = compareVersions(engine.ApiVersion, MAX_API) > 0 ? MAX_API : engine.ApiVersion;
      docker = connect(apiVersion);
      return { version: engine.Version, apiVersion };
    },

    async info(signal) {
      return engineAnswers.info(await call('ask the engine for its configuration', signal, () => docker.info(), CONNECT_LIMIT_MS));
    },

    async events(label, signal) {
      const filters = JSON.stringify({ type: ['container'], event: CONTAINER_EVENTS, label: [label] });
      const opening = (abortSignal: AbortSignal) => docker.getEvents({ filters, abortSignal });
      const stream = await openStream('subscribe to events', signal, opening);
      return containerEvents(stream);
    },

    async listContainers(label, signal) {
      const filters = { label: [label] };
      const answer = await call('list containers', signal, (abortSignal) => docker.listContainers({ all: true, filters, abortSignal }));
      return engineAnswers.summaries(answer);
    },

    async inspectContainer(id, signal) {
      const answer = await call(`inspect container ${id}`, signal, (abortSignal) => docker.getContainer(id).inspect({ abortSignal }));
      return engineAnswers.inspection(answer);
    },

    async createContainer(name, spec, signal) {
      const container = await heavy(`create container ${name}`, signal, (abortSignal) => {
        // Without these two keys everything would go into the URL, which the engine limits.
        const body = { _query: { name }, _body: spec, abortSignal };
        return docker.createContainer(body);
      });
      return container.id;
    },

    startContainer: (id, signal) =>
      heavy(`start container ${id}`, signal, (abortSignal) => unlessSoAlready(docker.getContainer(id).start({ abortSignal }))),

    stopContainer: (id, graceSeconds, signal) =>
      call(
        `stop container ${id}`,
        signal,
        (abortSignal) => unlessSoAlready(docker.getContainer(id).stop({ t: graceSeconds, abortSignal })),
        graceSeconds * 1000 + options.requestTimeoutMs,
      ),

    async killContainer(id, signal) {
      await heavy(`kill container ${id}`, signal, async (abortSignal) => {
        try {
          await docker.getContainer(id).kill({ signal: 'SIGKILL', abortSignal });
        } catch (error) {
          if (!isNotRunning(error)) throw error;
        }
      });
    },

    async removeContainer(id, { force }, signal) {
      try {
        await heavy(`remove container ${id}`, signal, (abortSignal) => docker.getContainer(id).remove({ v: true, force, abortSignal }));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },

    async updateContainer(id, resources, signal) {
      await call(`update container ${id}`, signal, (abortSignal) => docker.getContainer(id).update({ ...resources, abortSignal }));
    },

    attachContainer: (id, streams, signal) =>
      openStream(`attach to container ${id}`, signal, (abortSignal) => {
        // Everything in the query and an empty body: what stood in a body could end up in the container's standard input.
        const request = { _query: { stream: true, ...streams }, _body: {}, hijack: true, abortSignal };
        return docker.getContainer(id).attach(request);
      }).then(asDuplex),

    async resizeContainer(id, { width, height }, signal) {
      await call(`resize the terminal of container ${id}`, signal, (abortSignal) =>
        docker.getContainer(id).resize({ _query: { w: width, h: height }, _body: {}, abortSignal }),
      );
    },

    async createExec(containerId, spec, signal) {
      const exec = await call(`create a command in container ${containerId}`, signal, (abortSignal) =>
        docker.getContainer(containerId).exec({
          Cmd: [...spec.cmd],
          Tty: spec.tty,
          AttachStdin: spec.stdin,
          AttachStdout: spec.stdout,
          AttachStderr: spec.stderr,
          abortSignal,
        }),
      );
      return exec.id;
    },

    startExec: (execId, { tty }, signal) =>
      openStream(`start command ${execId}`, signal, (abortSignal) =>
        docker.getExec(execId).start({ Detach: false, Tty: tty, hijack: true, stdin: true, abortSignal }),
      ),

    async inspectExec(execId, signal) {
      const answer = await call(`inspect command ${execId}`, signal, (abortSignal) => docker.getExec(execId).inspect({ abortSignal }));
      return engineAnswers.exec(answer);
    },

    async resizeExec(execId, { width, height }, signal) {
      await call(`resize the terminal of command ${execId}`, signal, (abortSignal) =>
        docker.getExec(execId).resize({ _query: { w: width, h: height }, _body: {}, abortSignal }),
      );
    },

    async listImages(reference, signal) {
      const filters = reference === undefined ? {} : { filters: JSON.stringify({ reference: [reference] }) };
      return engineAnswers.images(await call('list images', signal, (abortSignal) => docker.listImages({ ...filters, abortSignal })));
    },

    async inspectImage(reference, signal) {
      const answer = await call(`inspect image ${reference}`, signal, () => docker.getImage(reference).inspect());
      return engineAnswers.image(answer);
    },

    async pullImage(reference, auth, onProgress, signal) {
      const stage = `pull image ${reference}`;
      const request = { ...pullQuery(reference), ...(auth === undefined ? {} : { authconfig: auth }) };
      const stream = await openStream(stage, signal, (abortSignal) => docker.createImage({ ...request, abortSignal }));
      try {
        await followPull(stream, stage, onProgress);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw engineError(stage, options.endpoint, error);
      }
    },

    async importImage(archive, reference, changes, signal) {
      const stage = `import image ${reference}`;
      const { fromImage: repo, tag } = pullQuery(reference);
      await call(stage, signal, async (abortSignal) => {
        const answer = await docker.importImage(Readable.from([archive]), { repo, tag, changes, abortSignal });
        await followPull(answer, stage, () => undefined);
      });
    },

    async removeImage(reference, signal) {
      try {
        await heavy(`remove image ${reference}`, signal, (abortSignal) => docker.getImage(reference).remove({ abortSignal }));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
  };

  /** Opening has the deadline; the stream then lives until its end or the caller's abort. */
  async function openStream<S extends NodeJS.ReadableStream>(
    stage: string,
    signal: AbortSignal,
    open: (abort: AbortSignal) => Promise<S>,
  ): Promise<S> {
    const life = new AbortController();
    const end = (): void => life.abort(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    try {
      const stream = await call(stage, signal, (abort) => {
        abort.addEventListener('abort', () => life.abort(abort.reason), { once: true });
        return open(life.signal);
      });
      keepAlive(stream);
      // A hijacked socket does not know the request's signal.
      life.signal.addEventListener('abort', () => destroy(stream), { once: true });
      stream.once('close', () => signal.removeEventListener('abort', end));
      return stream;
    } catch (error) {
      signal.removeEventListener('abort', end);
      throw error;
    }
  }
}

function parseEndpoint(endpoint: string): { socketPath: string } | { host: string; port: number } {
  if (endpoint.startsWith('unix:///')) return { socketPath: endpoint.slice('unix://'.length) };
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol === 'tcp:' && url.hostname !== '' && url.port !== '') return { host: url.hostname, port: Number(url.port) };
  throw new InvalidInputError(`the Docker endpoint must be unix:///path or tcp://host:port, not "${endpoint}"`);
}

/** API versions are two numbers, and 1.9 is older than 1.41. */
function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA - majorB || minorA - minorB;
}

/** What a kill is answered for a container that has ended, or is gone. */
function isNotRunning(error: unknown): boolean {
  return error instanceof Error && 'statusCode' in error && (error.statusCode === 409 || error.statusCode === 404);
}

async function unlessSoAlready(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isNotModified(error)) throw error;
  }
}

/** The engine takes a digest as the tag; a tag beside a digest says nothing more. */
function pullQuery(reference: string): { fromImage: string; tag: string } {
  const digest = DIGEST.exec(reference)?.[1];
  const name = digest === undefined ? reference : reference.slice(0, -digest.length - 1);
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  const repository = colon < 0 ? name : name.slice(0, colon);
  return { fromImage: repository, tag: digest ?? (colon < 0 ? 'latest' : name.slice(colon + 1)) };
}

async function followPull(stream: NodeJS.ReadableStream, stage: string, onProgress: (message: PullProgress) => void): Promise<void> {
  for await (const line of readLines(stream, MAX_LINE_BYTES)) {
    const message = engineAnswers.progress(JSON.parse(line));
    if (message.error !== undefined) throw new CodedError('Internal', `failed to ${stage}: ${message.error}`);
    onProgress(message);
  }
}

async function* containerEvents(stream: NodeJS.ReadableStream): AsyncIterable<EngineEvent> {
  for await (const line of readLines(stream, MAX_LINE_BYTES)) yield engineAnswers.event(JSON.parse(line));
}

function keepAlive(stream: unknown): void {
  if (stream instanceof IncomingMessage) stream.socket.setKeepAlive(true, KEEP_ALIVE_MS);
}

function destroy(stream: unknown): void {
  if (stream instanceof Duplex || stream instanceof IncomingMessage) stream.destroy();
}

function asDuplex(stream: unknown): Duplex {
  if (stream instanceof Duplex) return stream;
  throw new UnavailableError('the engine did not hand over the connection');
}
