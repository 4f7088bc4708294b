import { runStages } from './stage.ts';
import { checkStages, longStages } from './stages.ts';

// `npm test`: everything. A failure of the quick checks does not keep the long tests from running in CI, where one run must tell all.
process.exitCode = await runStages([...checkStages, ...longStages], process.env['CI'] !== 'true');
