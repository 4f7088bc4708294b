import { expect, test } from 'vitest';
import { requestAttributes } from './authorization.ts';

const user = { username: 'jane', groups: [] };
const asked = (method: string, path: string): string[] =>
  requestAttributes(user, method, path, 'node-1').map(
    ({ verb, resource }) => `${verb} ${resource?.resource}/${resource?.subresource} ${resource?.name}`,
  );

test.each([
  ['GET', '/containerLogs/ns/pod/c', ['get nodes/proxy node-1']],
  ['GET', '/stats/summary', ['get nodes/stats node-1']],
  ['GET', '/metrics/cadvisor', ['get nodes/metrics node-1']],
  ['GET', '/pods', ['get nodes/pods node-1', 'get nodes/proxy node-1']],
  ['GET', '/runningpods/', ['get nodes/pods node-1', 'get nodes/proxy node-1']],
  ['GET', '/healthz/ping', ['get nodes/healthz node-1', 'get nodes/proxy node-1']],
  ['GET', '/podsomething', ['get nodes/proxy node-1']],
  ['PUT', '/unknown', ['update nodes/proxy node-1']],
])('%s %s asks for %j', (method, path, expected) => {
  expect(asked(method, path)).toEqual(expected);
});

test.each(['/exec/ns/pod/c', '/attach/ns/pod/c', '/portForward/ns/pod', '/run/ns/pod/c'])(
  'a stream on %s asks for create, although a WebSocket arrives as a GET',
  (path) => {
    expect(asked('GET', path)).toEqual(['create nodes/proxy node-1']);
    expect(asked('POST', path)).toEqual(['create nodes/proxy node-1']);
  },
);
