import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { homeDirectory, projectRoot } from '../../infra/environment.js';
import { LocalStack } from '../../infra/local/stack.js';
import { ClientError } from '../errors.js';
import { EXIT } from '../exit-codes.js';

const HANDED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Run one of our programs in the foreground, with the local stack's addresses where the environment names no others.
 * It has a process group of its own and gets each signal once, from here. Resolves to its exit code.
 */
export async function foreground(entry: string, args: readonly string[]): Promise<number> {
  const file = join(projectRoot(), entry);
  const stack = Object.entries(await new LocalStack(homeDirectory()).environment());
  const child = spawn(process.execPath, ['--enable-source-maps', file, ...args], {
    detached: true,
    // A worker ends when this channel breaks: a killed command leaves none behind.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Where Temporal is, the program finds in the stack's file or in a profile by itself.
    env: { ...Object.fromEntries(stack.filter(([name]) => !name.startsWith('TEMPORAL_'))), ...process.env },
  });
  const handOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of HANDED_ON) process.on(signal, handOn);
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', (error) =>
        reject(new ClientError('ServiceFailed', `Cannot start ${file}: ${error.message}.`)),
      );
      child.on('exit', (code, signal) =>
        resolve(code ?? (signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated)),
      );
    });
  } finally {
    for (const signal of HANDED_ON) process.off(signal, handOn);
  }
}
