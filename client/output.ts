/** What a command says, to people or to programs. */
import { describeError } from './errors.js';
import { exitCodeOf } from './exit-codes.js';

/** One JSON document, or text for people. */
export function print(json: boolean | undefined, value: unknown, text: () => string): void {
  const shown = json ? JSON.stringify(value, null, 2) : text();
  process.stdout.write(shown.endsWith('\n') ? shown : `${shown}\n`);
}

/** A remark that is no result: on standard error, so that pipes stay clean. */
export function remark(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Say what went wrong, once. @returns the exit code. */
export function reportError(error: unknown, json: boolean): number {
  const { type, message } = describeError(error);
  const exitCode = exitCodeOf(type);
  if (json) printJsonError(type, message, exitCode);
  process.stderr.write(`rmr1: ${message}\n`);
  if (process.env['RMR1_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  return exitCode;
}

/** The form in which programs get an error: one line on standard output. */
export function printJsonError(type: string, message: string, exitCode: number): void {
  process.stdout.write(`${JSON.stringify({ error: { type, message, exitCode } })}\n`);
}
