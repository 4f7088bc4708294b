import { expect, test } from 'vitest';
import { reported } from '../testing/status-input.ts';
import { sameOwnStatus, statusPatch } from './status-patch.ts';

test('only what differs is in the patch', () => {
  const from = { phase: 'Pending', qosClass: 'BestEffort', hostIP: '192.0.2.1' };
  expect(statusPatch(from, { ...from, phase: 'Running' })).toEqual({ phase: 'Running' });
  expect(statusPatch(from, from)).toBeUndefined();
});

test('what is over is taken away by name', () => {
  expect(statusPatch({ phase: 'Failed', reason: 'Evicted', message: 'x' }, { phase: 'Failed' })).toEqual({ reason: null, message: null });
});

test('lists that the server would merge are replaced', () => {
  expect(statusPatch({}, { podIPs: [{ ip: '10.0.0.1' }] })).toEqual({ podIPs: [{ ip: '10.0.0.1' }] });
  expect(statusPatch({ podIPs: [{ ip: '10.0.0.1' }] }, { podIPs: [{ ip: '10.0.0.2' }] })).toEqual({
    podIPs: [{ $patch: 'replace' }, { ip: '10.0.0.2' }],
  });
});

test("of the conditions only the node's own are written, and only those that changed", () => {
  const foreign = { type: 'x/y', status: 'True' };
  const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: 'a' };
  const from = { conditions: [foreign, scheduled, { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'm' }] };
  const ready = { type: 'Ready', status: 'True', lastTransitionTime: 'b' };
  expect(statusPatch(from, { conditions: [{ ...scheduled, lastTransitionTime: 'c' }, ready] })).toEqual({
    conditions: [{ ...ready, reason: null, message: null }],
  });
});

test('a condition of the node that is over is deleted, one that others set too is not', () => {
  const from = {
    conditions: [
      { type: 'PodResizePending', status: 'True' },
      { type: 'DisruptionTarget', status: 'True' },
    ],
  };
  expect(statusPatch(from, { conditions: [] })).toEqual({ conditions: [{ $patch: 'delete', type: 'PodResizePending' }] });
});

test('statuses are the same when the parts of the node are', () => {
  const status = { phase: 'Running', containerStatuses: [reported('web')] };
  expect(sameOwnStatus(status, { ...status, conditions: [{ type: 'x/y', status: 'True' }], nominatedNodeName: 'n' })).toBe(true);
  expect(sameOwnStatus(status, { ...status, containerStatuses: [reported('web', { restartCount: 1 })] })).toBe(false);
  expect(sameOwnStatus(undefined, status)).toBe(false);
});
