/** Show a run while it goes on: a redrawn block on a terminal, lines elsewhere, JSON lines for programs. */
import type { RunProgress } from '../../workflows/messages.js';
import { renderBlock } from './block.js';
import { ChangeLines } from './change-lines.js';
import { styleFor } from './style.js';

export interface Display {
  show(progress: RunProgress): void;
  /** Print a line that stays, above a redrawn block. */
  note(line: string): void;
  /** Leave the last state standing. */
  close(): void;
}

export interface DisplayOptions {
  json: boolean;
  out?: NodeJS.WriteStream;
}

export function openDisplay({ json, out = process.stdout }: DisplayOptions): Display {
  if (json) return new JsonDisplay(out);
  return out.isTTY ? new BlockDisplay(out) : new LineDisplay(out);
}

class JsonDisplay implements Display {
  constructor(private readonly out: NodeJS.WriteStream) {}
  show(progress: RunProgress): void {
    this.out.write(`${JSON.stringify(progress)}\n`);
  }
  note(): void {}
  close(): void {}
}

class LineDisplay implements Display {
  private readonly changes = new ChangeLines();
  constructor(private readonly out: NodeJS.WriteStream) {}
  show(progress: RunProgress): void {
    for (const line of this.changes.next(progress, Date.now())) this.out.write(`${line}\n`);
  }
  note(line: string): void {
    this.out.write(`${line}\n`);
  }
  close(): void {}
}

const REDRAW_MS = 500;
const CLEAR_BELOW = '\u001b[0J';
const CLEAR_LINE = '\u001b[0K';

class BlockDisplay implements Display {
  private height = 0;
  private drawn = '';
  private progress: RunProgress | undefined;
  /** Time of the running stage goes on between two looks. */
  private readonly timer = setInterval(() => this.draw(), REDRAW_MS).unref();

  constructor(private readonly out: NodeJS.WriteStream) {}

  show(progress: RunProgress): void {
    this.progress = progress;
    this.draw();
  }

  note(line: string): void {
    this.erase();
    this.out.write(`${line}\n`);
    this.draw();
  }

  close(): void {
    clearInterval(this.timer);
    this.draw();
    this.height = 0;
    this.progress = undefined;
  }

  private draw(): void {
    if (!this.progress) return;
    const lines = renderBlock(this.progress, {
      now: Date.now(),
      columns: this.out.columns || 80,
      style: styleFor(this.out),
    });
    const drawn = lines.join('\n');
    if (this.height > 0 && drawn === this.drawn) return;
    this.drawn = drawn;
    const up = this.height > 0 ? `\u001b[${this.height}A\r` : '';
    this.out.write(up + lines.map((line) => line + CLEAR_LINE).join('\n') + `\n${CLEAR_BELOW}`);
    this.height = lines.length;
  }

  private erase(): void {
    if (this.height > 0) this.out.write(`\u001b[${this.height}A\r${CLEAR_BELOW}`);
    this.height = 0;
  }
}
