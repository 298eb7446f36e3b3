/** Entry point of the local oracle service; see `USAGE`. Prints one line of JSON with its address when it is ready. */
import { rename, writeFile } from 'node:fs/promises';
import { USAGE, parseFlags } from './flags.js';
import { LabelBook } from './labels.js';
import { startOracleServer } from './server.js';
import type { OracleServer } from './server.js';

/** `RMR1_READY_FILE`, where set, gets the same JSON, whole or not at all. */
async function announce({ baseUrl }: OracleServer): Promise<void> {
  const line = JSON.stringify({ baseUrl, pid: process.pid });
  const file = process.env['RMR1_READY_FILE'];
  if (file !== undefined && file !== '') {
    await writeFile(`${file}.part`, line);
    await rename(`${file}.part`, file);
  }
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  const labels = new LabelBook();
  if (flags.labels !== undefined) {
    await labels.readFile(flags.labels).catch((error: Error) => {
      throw new Error(`--labels ${String(flags.labels)} cannot be used: ${error.message}`);
    });
  }
  const apiKey = process.env['RMR1_ORACLE_KEY'];
  const server = await startOracleServer({ ...flags, labels, ...(apiKey ? { apiKey } : {}) });
  const stop = (): void => {
    void server.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  await announce(server);
}

if (process.argv.includes('--help')) {
  process.stdout.write(`${USAGE}\n`);
} else {
  main().catch((error: unknown) => {
    process.stderr.write(`oracle: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 64;
  });
}
