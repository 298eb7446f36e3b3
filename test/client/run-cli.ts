/** Run one command line in this process and catch what it writes. */
import { vi } from 'vitest';
import { main } from '../../client/main.js';

export interface CliRun {
  code: number;
  out: string;
  err: string;
}

export async function runCli(...args: string[]): Promise<CliRun> {
  const caught = { out: '', err: '' };
  const environment = { ...process.env };
  const catching = (stream: NodeJS.WriteStream, into: 'out' | 'err') =>
    vi.spyOn(stream, 'write').mockImplementation((chunk: unknown) => {
      caught[into] += String(chunk);
      return true;
    });
  const spies = [catching(process.stdout, 'out'), catching(process.stderr, 'err')];
  try {
    const code = await main(args);
    return { code, ...caught };
  } finally {
    for (const spy of spies) spy.mockRestore();
    // Flags such as --address are handed on through the environment.
    process.env = environment;
  }
}
