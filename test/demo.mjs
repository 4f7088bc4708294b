import { runScript } from './entry/packaged-node.mjs';

runScript('test/demo/main.ts', process.argv.slice(2));
