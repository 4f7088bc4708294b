import { expect, test } from 'vitest';
import { writeOutsideResources } from './outside-resources.ts';

/** Above the largest process id that Linux gives (include/linux/threads.h PID_MAX_LIMIT). */
const NO_PROCESS = 4_194_305;

test('a process that has ended already is not limited any more, and its start has not failed', async () => {
  const resources = { hugepageLimits: [{ pageSize: '2MB', limit: 1n }], unified: { 'memory.high': '1' } };
  await expect(writeOutsideResources(NO_PROCESS, resources)).resolves.toBeUndefined();
});
