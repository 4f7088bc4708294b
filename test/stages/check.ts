import { runStages } from './stage.ts';
import { checkStages } from './stages.ts';

// `npm run check`: everything that needs neither an engine nor a control plane.
process.exitCode = await runStages(checkStages, false);
