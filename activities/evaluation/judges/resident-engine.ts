/** A supervised resident engine: prompts in, completions out, batched across whoever asks. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  ResidentAnswer,
  ResidentCommand,
  ResidentConfig,
  ResidentEvent,
  ResidentQuestion,
} from '../../../engine/resident/protocol.js';
import { projectRoot } from '../../../infra/environment.js';
import { UserError } from '../../../workflows/errors.js';
import { RejectedQuestion } from './endpoint.js';

const STOP_GRACE_MS = 5_000;

export type ResidentBatch = Omit<Extract<ResidentEvent, { type: 'batch' }>, 'type'>;

interface Waiting {
  resolve: (answer: ResidentAnswer) => void;
  reject: (error: Error) => void;
}

export class ResidentEngine {
  private readonly waiting = new Map<number, Waiting>();
  private serial = 0;
  private fault: Error | undefined;
  private lastWords = '';
  private readonly gone: Promise<void>;

  private constructor(
    private readonly child: ChildProcess,
    private readonly dir: string,
    private readonly onBatch: (batch: ResidentBatch) => void,
    /** Longest sequence in tokens, prompt and completion together. */
    public maxLength: number,
    /** Whether the model scores answers instead of writing them. */
    public scalarHead = false,
  ) {
    this.gone = new Promise((resolve) => child.once('close', () => resolve()));
  }

  /** @throws UserError `TrainerRefused` where the model cannot be loaded, `TrainerLost` where the process dies. */
  static async start(
    config: ResidentConfig,
    onBatch: (batch: ResidentBatch) => void = () => undefined,
  ): Promise<ResidentEngine> {
    const dir = await mkdtemp(join(tmpdir(), 'rmr1-resident-'));
    const file = join(dir, 'config.json');
    await writeFile(file, JSON.stringify(config));
    const { PATH, HOME, TMPDIR, LANG, NODE_OPTIONS } = process.env;
    const child = spawn(process.execPath, [join(projectRoot(), 'dist/engine/resident/main.js'), file], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // The engine needs no secrets: it gets none.
      env: { PATH, HOME, TMPDIR, LANG, NODE_OPTIONS },
    });
    const engine = new ResidentEngine(child, dir, onBatch, 0);
    await engine.ready();
    return engine;
  }

  /**
   * Complete one prompt.
   * @throws RejectedQuestion for a prompt that is too long; UserError `TrainerLost` where the engine died; the signal's reason.
   */
  async ask(question: Omit<ResidentQuestion, 'id'>, signal: AbortSignal): Promise<ResidentAnswer> {
    signal.throwIfAborted();
    if (this.fault) throw this.fault;
    const id = ++this.serial;
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.waiting.delete(id);
        this.send({ type: 'forget', id });
        reject(signal.reason as Error);
      };
      const settled =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          signal.removeEventListener('abort', abort);
          then(value);
        };
      signal.addEventListener('abort', abort, { once: true });
      this.waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.send({ type: 'ask', question: { ...question, id } });
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Ends the process; questions under way are rejected. */
  async close(): Promise<void> {
    this.fault ??= new UserError('TrainerLost', 'The engine was closed.');
    this.send({ type: 'stop' });
    const killer = setTimeout(() => this.child.kill('SIGKILL'), STOP_GRACE_MS);
    await this.gone;
    clearTimeout(killer);
    await rm(this.dir, { recursive: true, force: true });
  }

  private send(command: ResidentCommand): void {
    if (this.child.connected) this.child.send(command, () => undefined);
  }

  private ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.child.stderr?.on('data', (chunk: Buffer) => {
        this.lastWords = (this.lastWords + chunk.toString()).slice(-2000);
      });
      this.child.on('error', (error) => this.die(new UserError('TrainerLost', error.message), reject));
      this.child.on('close', (code, signal) => this.die(this.ending(code, signal), reject));
      this.child.on('message', (message) => {
        const event = message as ResidentEvent;
        if (event.type === 'ready') {
          this.maxLength = event.maxLength;
          this.scalarHead = event.scalarHead;
          resolve();
        } else this.take(event);
      });
    });
  }

  private take(event: Exclude<ResidentEvent, { type: 'ready' }>): void {
    if (event.type === 'batch') return this.onBatch(event);
    if (event.type === 'failed') {
      const type = event.error.type === 'EngineFailed' ? 'TrainerLost' : 'TrainerRefused';
      this.fault ??= new UserError(type, `The judge's model cannot be used: ${event.error.message}`);
      return;
    }
    const waiting = this.waiting.get(event.id);
    this.waiting.delete(event.id);
    if (event.type === 'answered') waiting?.resolve(event.answer);
    else waiting?.reject(new RejectedQuestion(`The local judge cannot read this: ${event.message}.`, true));
  }

  private die(error: Error, reject: (error: Error) => void): void {
    this.fault ??= error;
    reject(this.fault);
    for (const waiting of this.waiting.values()) waiting.reject(this.fault);
    this.waiting.clear();
    void rm(this.dir, { recursive: true, force: true });
  }

  private ending(code: number | null, signal: NodeJS.Signals | null): UserError {
    const how = signal ? `was killed by ${signal}` : `ended with code ${code}`;
    const said = this.lastWords.trim().split('\n').slice(-3).join(' ');
    return new UserError('TrainerLost', `The judge's engine ${how}${said ? `: ${said}` : ''}.`);
  }
}
