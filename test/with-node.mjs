/** `node test/with-node.mjs SCRIPT [ARG …]`: runs a script of this repository on the packaged Node, installing it if need be. */
import { runScript } from './entry/packaged-node.mjs';

const [script, ...args] = process.argv.slice(2);
if (script === undefined) throw new Error('usage: node test/with-node.mjs SCRIPT [ARG ...]');
runScript(script, args);
