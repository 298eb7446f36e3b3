import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { homeDirectory, projectRoot } from '../../infra/environment.js';
import { LocalStack } from '../../infra/local/stack.js';
import { ClientError } from '../errors.js';
import { EXIT } from '../exit-codes.js';

/**
 * Run one of our programs in the foreground, with the local stack's addresses where the environment names no others.
 * Ctrl-C reaches it from the terminal; SIGTERM is handed on. Resolves to its exit code.
 */
export async function foreground(entry: string, args: readonly string[]): Promise<number> {
  const file = join(projectRoot(), entry);
  const stack = await new LocalStack(homeDirectory()).environment();
  const child = spawn(process.execPath, ['--enable-source-maps', file, ...args], {
    stdio: 'inherit',
    env: { ...stack, ...process.env },
  });
  const ignore = (): void => undefined;
  const pass = (): void => void child.kill('SIGTERM');
  process.on('SIGINT', ignore);
  process.on('SIGTERM', pass);
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
    process.off('SIGINT', ignore);
    process.off('SIGTERM', pass);
  }
}
