import { expect, test } from 'vitest';
import { checkHostRequirements, setOwnOomScoreAdj } from './host-requirements.ts';

test.each<[boolean, number, boolean, 1 | 2, string | undefined]>([
  [true, 1, false, 2, 'failSwapOn is set and this machine has swap'],
  [true, 0, false, 2, undefined],
  [false, 1, false, 1, undefined],
  [false, 0, true, 1, 'failCgroupV1 is set and this machine uses cgroup v1'],
  [false, 0, true, 2, undefined],
])('failSwapOn %s with %d bytes of swap, failCgroupV1 %s on v%d: %s', (failSwapOn, swapBytes, failCgroupV1, cgroupVersion, message) => {
  const check = (): void => checkHostRequirements({ failSwapOn, failCgroupV1 }, { swapBytes }, { cgroupVersion });
  if (message === undefined) check();
  else expect(check).toThrow(message);
});

test('an oom_score_adj that may not be set is told, not thrown', async () => {
  expect(await setOwnOomScoreAdj(-999, '/nonexistent/oom_score_adj')).toContain('cannot be set to -999');
});
