/** The other side of the SFT benchmark: the same step in eager PyTorch, in a Python process of its own. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../infra/environment.js';
import type { DecoderConfig } from '../engine/model/parameters.js';

/** Which Python runs the peer; it needs the package `torch`. */
export const PYTHON_VARIABLE = 'RMR1_BENCH_PYTHON';

/** There is nothing to compare with. A command that meets it should exit with `exitCode`. */
export class PeerMissingError extends Error {
  override readonly name = 'PeerMissingError';
  readonly exitCode = 3;
}

export interface PeerCase {
  config: DecoderConfig;
  batch: number;
  length: number;
  threads: number;
}

export class TorchPeer {
  #answer: ((line: string) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #gone: Error | undefined;

  private constructor(private readonly process: ChildProcessWithoutNullStreams) {
    let stderr = '';
    process.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-2_000);
    });
    const lost = (reason: string): void => {
      const detail = stderr.trim().split('\n').at(-1) ?? '';
      this.#gone = new PeerMissingError(
        `PyTorch could not be run (${detail || reason}): set ${PYTHON_VARIABLE} to a Python that has torch`,
      );
      this.#fail?.(this.#gone);
    };
    process.on('error', (error) => lost(error.message));
    process.on('close', (code) => lost(`it ended with code ${code}`));
    process.stdin.on('error', () => undefined);
    createInterface({ input: process.stdout }).on('line', (line) => this.#answer?.(line));
  }

  /** @throws `PeerMissingError` where no Python with torch is named or it does not start */
  static async start(environment: NodeJS.ProcessEnv = globalThis.process.env): Promise<TorchPeer> {
    const python = environment[PYTHON_VARIABLE];
    if (!python) {
      throw new PeerMissingError(
        `PyTorch is what this is measured against: set ${PYTHON_VARIABLE} to a Python that has torch`,
      );
    }
    const peer = new TorchPeer(spawn(python, [join(projectRoot(), 'bench', 'peer', 'sft_torch.py')]));
    await peer.#ask({});
    return peer;
  }

  /** Builds the model of a case and takes two steps to warm up. */
  async prepare(which: PeerCase): Promise<{ parameters: number; torch: string }> {
    const ready = await this.#ask({ ...which });
    await this.steps(2);
    return { parameters: ready.parameters as number, torch: ready.torch as string };
  }

  /** @returns seconds that `count` steps took */
  async steps(count: number): Promise<number> {
    return (await this.#ask({ steps: count })).seconds as number;
  }

  stop(): void {
    this.process.stdin.end();
  }

  async #ask(request: Record<string, unknown>): Promise<Record<string, unknown>> {
    const line = await new Promise<string>((resolve, reject) => {
      this.#answer = resolve;
      this.#fail = reject;
      if (this.#gone) reject(this.#gone);
      else this.process.stdin.write(`${JSON.stringify(request)}\n`);
    });
    return JSON.parse(line) as Record<string, unknown>;
  }
}
