/** Command line → exit code. */
import { CommanderError } from 'commander';
import { EXIT } from './exit-codes.js';
import { printJsonError, reportError } from './output.js';
import { buildProgram } from './program.js';

/** Run one command line, without the program's name. Never throws. @returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  let code: number = EXIT.ok;
  const json = args.includes('--json');
  const program = buildProgram((result) => (code = result));
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    // commander has printed its own message, or the help that was asked for.
    if (!(error instanceof CommanderError)) return reportError(error, json);
    if (error.exitCode === 0) return EXIT.ok;
    if (json) printJsonError('Usage', error.message.replace(/^error: /, ''), EXIT.badInput);
    return EXIT.badInput;
  }
}
