#!/usr/bin/env node
/** The `rmr1` command. Implementations are imported when they run, so that help appears at once. */
import { main } from './main.js';

const code = await main(process.argv.slice(2));
// Idle connections must not keep the process; what was written must be out first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
