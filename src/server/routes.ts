import type { Express, Request, Response } from 'express';
import { containerSpec, runningContainerId } from './find-container.ts';
import { sendContainerLogs } from './container-logs.ts';
import { HttpError } from './http-error.ts';
import { findPod } from './streams.ts';
import type { NodeServerDeps, NodeServerSettings } from './types.ts';

type SignalOf = (response: Response) => AbortSignal;
type Params = Record<string, string>;

/** Every path of the kubelet's API that is not a stream (kubelet pkg/kubelet/server/server.go). */
export function installRoutes(app: Express, settings: NodeServerSettings, deps: NodeServerDeps, signalOf: SignalOf): void {
  installHealth(app, deps);
  app.get('/pods', (_request, response) =>
    sendPodList(
      response,
      deps.pods.list().map((pod) => withStatus(pod, deps)),
    ),
  );
  app.get('/runningpods', (_request, response) => sendPodList(response, deps.runningPods()));
  app.get('/configz', (_request, response) => void response.json({ kubeletconfig: deps.configz() }));
  for (const page of deps.pages) {
    app.get(page.path, async (request, response) => {
      const text = await page.render(new URL(request.originalUrl, 'https://node').searchParams, signalOf(response));
      response.set('Content-Type', page.contentType).send(text);
    });
  }
  if (settings.debuggingHandlers) installDebugging(app, deps, signalOf);
}

function installHealth(app: Express, deps: NodeServerDeps): void {
  const health = (_request: Request, response: Response): void => {
    const complaint = deps.health();
    response
      .status(complaint === undefined ? 200 : 500)
      .set('Content-Type', 'text/plain; charset=utf-8')
      .send(complaint ?? 'ok');
  };
  app.get(['/healthz', '/healthz/syncloop'], health);
  app.get(
    ['/healthz/ping', '/healthz/log'],
    (_request, response) => void response.set('Content-Type', 'text/plain; charset=utf-8').send('ok'),
  );
}

function installDebugging(app: Express, deps: NodeServerDeps, signalOf: SignalOf): void {
  app.get(
    '/containerLogs/:namespace/:pod/:container',
    (request: Request<Params & { namespace: string; pod: string; container: string }>, response) =>
      sendContainerLogs(request, response, deps, signalOf(response)),
  );
  app.post(['/run/:namespace/:pod/:container', '/run/:namespace/:pod/:uid/:container'], (request: Request<Params>, response) =>
    run(request, response, deps, signalOf(response)),
  );
  app.all(['/exec/*path', '/attach/*path', '/portForward/*path'], () => {
    throw new HttpError(400, 'Upgrade request required');
  });
}

/** `POST /run/…?cmd=…`: runs a command and answers what it printed. */
async function run(request: Request<Params>, response: Response, deps: NodeServerDeps, signal: AbortSignal): Promise<void> {
  const { namespace = '', pod: podName = '', uid, container = '' } = request.params;
  const pod = findPod({ namespace, pod: podName, ...(uid === undefined ? {} : { uid }) }, deps);
  if (containerSpec(pod, container) === undefined) throw new HttpError(404, `container not found ("${container}")`);
  const command = new URL(request.originalUrl, 'https://node').searchParams.get('cmd') ?? '';
  if (command === '') throw new HttpError(400, 'cmd: a command is required');
  const id = runningContainerId(deps.statuses.status(pod.metadata.uid) ?? pod.status, container);
  const { stdout, stderr, exitCode } = await deps.runtime.execSync(id, command.split(' '), 0, signal);
  if (exitCode !== 0)
    throw new HttpError(500, `command terminated with exit code ${exitCode}: ${Buffer.concat([stdout, stderr]).toString()}`);
  response.set('Content-Type', 'text/plain; charset=utf-8').send(Buffer.concat([stdout, stderr]));
}

function withStatus(pod: ReturnType<NodeServerDeps['pods']['list']>[number], deps: NodeServerDeps): typeof pod {
  const status = deps.statuses.status(pod.metadata.uid);
  return status === undefined ? pod : { ...pod, status };
}

function sendPodList(response: Response, items: readonly unknown[]): void {
  response.json({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });
}
