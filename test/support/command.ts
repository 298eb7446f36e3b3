/** The `rmr1` command as a child process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from '../../infra/environment.js';

export interface CommandEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunningCommand {
  child: ChildProcess;
  /** What it has said so far. */
  said: { stdout: string; stderr: string };
  ended: Promise<CommandEnd>;
}

/** Settings of the surrounding shell that would lead a test to somebody else's servers. */
const FOREIGN =
  /^(RMR1_(?!CACHE|TEMPORAL_BIN|WEED_BIN)|TEMPORAL_|AWS_|OPENAI_|OTEL_|VITEST|NODE_OPTIONS|NODE_ENV)/;

/** The environment of a user who has set nothing, plus `extra`; undefined removes a variable. */
export function cleanEnvironment(extra: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
  return Object.fromEntries([...own, ...Object.entries(extra)].filter(([, value]) => value !== undefined));
}

/** Start `rmr1 ARGS`. Tests see to it that it ends. */
export function startCommand(
  args: readonly string[],
  env: Record<string, string | undefined>,
  cwd = projectRoot(),
): RunningCommand {
  const child = spawn(process.execPath, [join(projectRoot(), 'dist/client/cli.js'), ...args], {
    cwd,
    env: cleanEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
  const ended = new Promise<CommandEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...said }));
  });
  return { child, said, ended };
}

/** Run `rmr1 ARGS` to its end. */
export function runCommand(
  args: readonly string[],
  env: Record<string, string | undefined>,
  cwd?: string,
): Promise<CommandEnd> {
  return startCommand(args, env, cwd).ended;
}
