import { runScript } from './entry/packaged-node.mjs';

runScript('test/stages/main.ts', process.argv.slice(2));
