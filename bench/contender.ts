/**
 * One side of a comparison: a process of its own that prepares a case once and then does as much of it as it is asked,
 * JSON lines in and out. So the memory of each is its own.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../infra/environment.js';

type Answer = Record<string, unknown>;

/** What a side says about the case it has prepared. */
export interface Prepared {
  /** Versions of the libraries that do the work. */
  versions: Record<string, string>;
  /** Parameters of the model, and how many of them are trained. */
  parameters?: number;
  trained?: number;
}

export class Contender {
  #answer: ((line: string) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #gone: Error | undefined;

  private constructor(
    readonly name: string,
    private readonly process: ChildProcessWithoutNullStreams,
  ) {
    let stderr = '';
    process.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-4_000);
    });
    const lost = (reason: string): void => {
      this.#gone = new Error(`${name}: ${reason}${stderr ? `\n${stderr.trim()}` : ''}`);
      this.#fail?.(this.#gone);
    };
    process.on('error', (error) => lost(error.message));
    process.on('close', (code) => lost(`it ended with code ${code}`));
    process.stdin.on('error', () => undefined);
    createInterface({ input: process.stdout }).on('line', (line) => this.#answer?.(line));
  }

  /**
   * @param script of `bench/`: `.py` is run by `python`, anything else by this Node
   * @param request the case
   * @throws when the process ends before it is ready, with what it said
   */
  static async start(
    name: string,
    { python, script, cwd }: { python?: string; script: string; cwd?: string },
    request: object,
  ): Promise<{ contender: Contender; prepared: Prepared }> {
    const [command, root] = script.endsWith('.py')
      ? [python ?? 'python3', projectRoot()]
      : [process.execPath, join(projectRoot(), 'dist')];
    const child = spawn(command, [join(root, 'bench', script)], {
      ...(cwd ? { cwd } : {}),
      env: { ...process.env, TOKENIZERS_PARALLELISM: 'false', HF_HUB_OFFLINE: '1' },
    });
    const contender = new Contender(name, child);
    const prepared = await contender.#ask(request);
    return { contender, prepared: prepared as unknown as Prepared };
  }

  /** @returns seconds that `count` units of the case took, and what they gave */
  async work(count: number): Promise<{ seconds: number } & Answer> {
    return (await this.#ask({ work: count })) as { seconds: number } & Answer;
  }

  /** Highest resident memory so far in MiB, as the kernel counts it; undefined where it does not tell. */
  peakMiB(): number | undefined {
    try {
      const status = readFileSync(`/proc/${this.process.pid}/status`, 'utf8');
      const match = /VmHWM:\s+(\d+) kB/.exec(status);
      return match ? Number(match[1]) / 1024 : undefined;
    } catch {
      return undefined;
    }
  }

  /** Ends the process and waits for it. */
  async stop(): Promise<void> {
    if (this.#gone) return;
    const closed = new Promise((resolve) => this.process.once('close', resolve));
    this.process.kill('SIGKILL');
    await closed;
  }

  async #ask(request: object): Promise<Answer> {
    const line = await new Promise<string>((resolve, reject) => {
      this.#answer = resolve;
      this.#fail = reject;
      if (this.#gone) reject(this.#gone);
      else this.process.stdin.write(`${JSON.stringify(request)}\n`);
    });
    return JSON.parse(line) as Answer;
  }
}
