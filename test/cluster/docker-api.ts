import { request } from 'node:http';
import type { Readable } from 'node:stream';
import { withDeadline } from './wait.ts';

/** One call to an engine. */
export interface DockerCall {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: Readable | undefined;
  readonly contentType?: string;
  /** 30 s unless told. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** An answer other than 2xx. */
export class DockerError extends Error {
  override readonly name = 'DockerError';
  readonly status: number;

  constructor(what: string, status: number, message: string) {
    super(`${what}: ${status.toString()}: ${message}`);
    this.status = status;
  }
}

/**
 * Calls a Docker Engine over its socket and returns the body as text.
 * The test bed's own, so that it tests the agent's client with something else.
 */
export function docker(socketPath: string, path: string, call: DockerCall = {}): Promise<string> {
  const method = call.method ?? 'GET';
  const what = `${method} ${path} at ${socketPath}`;
  return withDeadline(what, call.timeoutMs ?? 30_000, call.signal, (signal) => {
    return new Promise((resolve, reject) => {
      const headers = call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/x-tar' };
      const sent = request({ socketPath, path, method, headers, signal, agent: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (part: string) => (text += part));
        answer.on('error', reject);
        answer.on('end', () => {
          const status = answer.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve(text);
          else reject(new DockerError(what, status, text.trim()));
        });
      });
      sent.on('error', reject);
      if (call.body === undefined) sent.end();
      else call.body.on('error', reject).pipe(sent);
    });
  });
}
