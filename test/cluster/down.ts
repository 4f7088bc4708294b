import { prepareTools } from './prerequisites.ts';
import { reclaimAbandoned } from './slot.ts';

// Removes what killed test beds left on this machine; running ones are not touched.
const removed = await reclaimAbandoned(await prepareTools(console.log));
console.log(removed.length === 0 ? 'nothing was left' : removed.map((line) => `removed ${line}`).join('\n'));
