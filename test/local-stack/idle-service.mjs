// A service with a child of its own, which says that it is ready and then waits to be ended.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';

if (process.argv.includes('--fail')) process.exit(3);
spawn('sleep', ['600'], { stdio: 'ignore' });
writeFileSync(process.env.RMR1_READY_FILE, JSON.stringify({ baseUrl: 'http://idle' }));
setInterval(() => undefined, 60_000);
