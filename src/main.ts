import { main } from './cli/program.ts';

// Explicit, because a connection that something forgot must not keep a stopped agent alive.
process.exit(await main(process.argv.slice(2), { out: (text) => process.stdout.write(text), err: (text) => process.stderr.write(text) }));
