#!/usr/bin/env node
/** The `rmr1` command. Implementations are imported when they run, so that help appears at once. */
import { EXIT } from './exit-codes.js';
import { main } from './main.js';

// A closed terminal or pipe is an orderly end for commands that have something to put away.
for (const stream of [process.stdout, process.stderr]) {
  // Every further write fails too, and a second signal would mean: at once.
  stream.once('error', () => {
    stream.on('error', () => undefined);
    if (process.listenerCount('SIGHUP') > 0) process.emit('SIGHUP');
    else process.exit(EXIT.hungUp);
  });
}

const code = await main(process.argv.slice(2));
// Idle connections must not keep the process; what was written must be out first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
