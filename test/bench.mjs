import { runScript } from './entry/packaged-node.mjs';

runScript('test/bench/main.ts', process.argv.slice(2));
