/** A run as lines for a log: one for each thing that changed, figures now and then. */
import type { RunProgress, StageProgress } from '../../workflows/messages.js';
import { noteOf } from './block.js';
import { figuresText, hasEnded, metricsText } from './figures.js';
import { formatDuration, formatUsd } from './format.js';

/** Figures of a running stage are printed at least this far apart, in ms. */
const FIGURES_EVERY_MS = 15_000;

export class ChangeLines {
  private readonly states = new Map<string, string>();
  private state = '';
  private note: string | undefined;
  private figuresAt = 0;
  private figures = '';
  private waits: string | undefined;

  /** Lines for what is new since the last call; never the same line twice in a row. */
  next(progress: RunProgress, now: number): string[] {
    const lines: string[] = [];
    for (const stage of progress.stages) lines.push(...this.stageLines(stage, now, hasEnded(progress)));
    const note = noteOf(progress);
    if (note !== this.note && note) lines.push(note);
    if (progress.state !== this.state && !note) lines.push(`${progress.workflowId} is ${progress.state}`);
    this.note = note;
    this.state = progress.state;
    return lines;
  }

  private stageLines(stage: StageProgress, now: number, ended: boolean): string[] {
    const before = this.states.get(stage.name);
    const state = ended && stage.state === 'running' ? 'stopped' : stage.state;
    this.states.set(stage.name, state);
    if (state === 'stopped') return before === state ? [] : [`${stage.name}: stopped`];
    if (state !== (before ?? 'pending')) {
      this.figuresAt = now;
      const { round } = stage;
      return [`${stage.name}${round === undefined ? '' : `, round ${round}`}: ${changeText(stage)}`];
    }
    if (state !== 'running') return [];
    if (stage.waits !== this.waits) {
      this.waits = stage.waits;
      if (stage.waits) return [`${stage.name}: ${stage.waits}`];
    }
    if (!stage.figures || stage.waits) return [];
    const text = `${stage.name}: ${figuresText(stage.figures)}`;
    if (text === this.figures || now - this.figuresAt < FIGURES_EVERY_MS) return [];
    this.figures = text;
    this.figuresAt = now;
    return [text];
  }
}

function changeText({ state, seconds, costUsd, metrics, problem }: StageProgress): string {
  switch (state) {
    case 'failed':
      return `failed: ${problem ?? 'no reason given'}`;
    case 'done':
      return [
        'done',
        seconds === undefined ? '' : `in ${formatDuration(seconds)}`,
        costUsd ? `for ${formatUsd(costUsd)}` : '',
        metrics && Object.keys(metrics).length ? `(${metricsText(metrics)})` : '',
      ]
        .filter(Boolean)
        .join(' ');
    case 'reused':
      return 'made before, reused';
    default:
      return state;
  }
}
