import { expect, test } from 'vitest';
import { decodeStatus, encodeStatus, statusOf } from './status.ts';

test('from version 4 on a result is a v1.Status that client-go reads the exit code from', () => {
  const sent = (exitCode: number): unknown => JSON.parse(encodeStatus(statusOf({ exitCode }), 'v4.channel.k8s.io').toString());
  expect(sent(0)).toEqual({ status: 'Success' });
  expect(sent(7)).toEqual({
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: 'command terminated with non-zero exit code: exit status 7',
    details: { causes: [{ reason: 'ExitCode', message: '7' }] },
  });
});

test('before version 4 success is silence and failure is text', () => {
  for (const protocol of ['', 'channel.k8s.io', 'base64.channel.k8s.io', 'v2.channel.k8s.io', 'v3.channel.k8s.io']) {
    expect(encodeStatus(statusOf({ exitCode: 0 }), protocol)).toHaveLength(0);
    expect(encodeStatus(statusOf({ error: 'no such container' }), protocol).toString()).toBe('Internal error occurred: no such container');
    expect(decodeStatus(Buffer.alloc(0), protocol)).toEqual({ status: 'Success' });
  }
});

test('what a runtime sends is passed on, and what is no status is an internal error', () => {
  const status = statusOf({ exitCode: 3 });
  expect(decodeStatus(encodeStatus(status, 'v4.channel.k8s.io'), 'v4.channel.k8s.io')).toEqual(status);
  for (const broken of ['', '{', '[]', 'null', '{"status":"Maybe"}']) {
    expect(decodeStatus(Buffer.from(broken), 'v4.channel.k8s.io')).toMatchObject({ status: 'Failure', reason: 'InternalError' });
  }
});
