import { once } from 'node:events';
import type { Request, Response } from 'express';
import { containerSpec, logContainerId } from './find-container.ts';
import { HttpError } from './http-error.ts';
import { parseLogQuery } from './log-options.ts';
import type { NodeServerDeps } from './types.ts';

export type ContainerLogsDeps = Pick<NodeServerDeps, 'pods' | 'statuses' | 'runtime' | 'containerLogs'>;

interface LogParams {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** `GET /containerLogs/{namespace}/{pod}/{container}`: the log as plain text, as slowly as the client reads. */
export async function sendContainerLogs(
  request: Request<LogParams & Record<string, string>>,
  response: Response,
  deps: ContainerLogsDeps,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, pod: podName, container } = request.params;
  const { options, previous } = parseLogQuery(new URL(request.originalUrl, 'https://node').searchParams);
  const pod = deps.pods.byName(namespace, podName);
  if (pod === undefined) throw new HttpError(404, `pod "${podName}" does not exist`);
  if (containerSpec(pod, container) === undefined) throw new HttpError(404, `container "${container}" not found in pod "${podName}"`);

  const id = logContainerId(pod, deps.statuses.status(pod.metadata.uid) ?? pod.status, container, previous);
  const status = await deps.runtime.containerStatus(id, signal);
  response.status(200).set('Content-Type', 'text/plain');
  // A follower of a silent container must see that it is connected.
  if (options.follow) response.flushHeaders();
  for await (const chunk of deps.containerLogs.read(status, options, signal)) {
    if (!response.write(chunk)) await once(response, 'drain', { signal });
  }
  response.end();
}
