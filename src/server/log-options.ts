import type { LogOptions } from '../runtime/logs/read-logs.ts';
import { HttpError } from './http-error.ts';

export interface LogQuery {
  readonly options: LogOptions;
  readonly previous: boolean;
}

/** PodLogOptions from a query string. @throws HttpError 400 or 422 naming the parameter (core validation ValidatePodLogOptions) */
export function parseLogQuery(query: URLSearchParams): LogQuery {
  const tail = query.get('tail') ?? undefined; // an older name of tailLines, where "all" is no limit
  const tailLines = integer(tail === 'all' ? null : (tail ?? query.get('tailLines')), 'tailLines', 0);
  const limitBytes = integer(query.get('limitBytes'), 'limitBytes', 1);
  const sinceSeconds = integer(query.get('sinceSeconds'), 'sinceSeconds', 1);
  const sinceTime = query.get('sinceTime') || undefined;
  if (sinceSeconds !== undefined && sinceTime !== undefined) {
    throw new HttpError(422, 'at most one of `sinceTime` or `sinceSeconds` may be specified');
  }
  if (sinceTime !== undefined && Number.isNaN(Date.parse(sinceTime))) {
    throw new HttpError(400, `sinceTime: want an RFC 3339 time such as 2026-01-02T15:04:05Z, got "${sinceTime}"`);
  }
  const stream = streamName(query.get('stream'));
  if (stream !== undefined && stream !== 'All' && tailLines !== undefined) {
    throw new HttpError(422, '`tailLines` and specific `stream` are mutually exclusive for now');
  }
  return {
    previous: flag(query.get('previous'), 'previous'),
    options: {
      follow: flag(query.get('follow'), 'follow'),
      timestamps: flag(query.get('timestamps'), 'timestamps'),
      ...(tailLines === undefined ? {} : { tailLines }),
      ...(limitBytes === undefined ? {} : { limitBytes }),
      ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
      ...(sinceTime === undefined ? {} : { sinceTime }),
      ...(stream === undefined ? {} : { stream }),
    },
  };
}

function integer(text: string | null, name: string, least: number): number | undefined {
  if (text === null || text === '') return undefined;
  if (!/^-?\d+$/.test(text)) throw new HttpError(400, `${name}: want a whole number, got "${text}"`);
  const value = Number(text);
  if (value < least) throw new HttpError(422, `${name}: want ${least} or more, got ${text}`);
  return value;
}

function flag(text: string | null, name: string): boolean {
  if (text === null || text === '' || text === 'false' || text === '0') return false;
  if (text === 'true' || text === '1') return true;
  throw new HttpError(400, `${name}: want true or false, got "${text}"`);
}

function streamName(text: string | null): LogOptions['stream'] {
  if (text === null || text === '') return undefined;
  if (text === 'All' || text === 'Stdout' || text === 'Stderr') return text;
  throw new HttpError(422, `stream: want All, Stdout or Stderr, got "${text}"`);
}
