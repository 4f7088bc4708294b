import { controlPlanePrograms, helmBinary } from '../cluster/binaries.ts';
import { prepareTools } from '../cluster/prerequisites.ts';

// Installs and builds what the long tests stand on, so that its minutes are counted as its own stage.
const began = performance.now();
const say = (line: string): void => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${line}`);
await prepareTools(say);
await controlPlanePrograms(say);
await helmBinary(say);
