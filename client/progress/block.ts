/** A run as a block of lines for a terminal that can be redrawn. */
import type { RunProgress, StageProgress } from '../../workflows/messages.js';
import { figuresText, hasEnded, metricsText, secondsOf } from './figures.js';
import { formatBar, formatDuration, formatUsd } from './format.js';
import { plain, type Style } from './style.js';

export interface BlockOptions {
  /** Milliseconds since the epoch, for the time of the running stage. */
  now: number;
  columns: number;
  style?: Style;
}

const MARK = { pending: '·', running: '▶', done: '✓', reused: '↺', failed: '✗' } as const;
/** Of a stage that was under way when its run was ended: its time has stopped as well. */
const STOPPED = '■';
const BAR_WIDTH = 16;

/** One line per stage below a head line; no line is wider than the terminal. */
export function renderBlock(progress: RunProgress, { now, columns, style = plain }: BlockOptions): string[] {
  const finished = progress.stages.filter(({ state }) => state === 'done' || state === 'reused').length;
  const head = `${progress.workflowId} · ${progress.state} · ${finished}/${progress.stages.length} stages · ${formatUsd(progress.costUsd)}`;
  const lines = [
    style.bold(fit(head, columns)),
    ...progress.stages.map((stage) =>
      stage.state === 'running' && hasEnded(progress)
        ? fit(`  ${STOPPED} ${stage.name.padEnd(9)}${''.padStart(8)}  stopped`, columns)
        : stageLine(stage, now, columns, style),
    ),
  ];
  const note = noteOf(progress);
  if (note) lines.push(...wrap(note, columns).map((line) => style.yellow(line)));
  return lines;
}

function stageLine(stage: StageProgress, now: number, columns: number, style: Style): string {
  const seconds = secondsOf(stage, now);
  const time = seconds === undefined ? '' : formatDuration(seconds);
  const text = fit(
    `  ${MARK[stage.state]} ${stage.name.padEnd(9)}${time.padStart(8)}  ${detailOf(stage)}`,
    columns,
  );
  if (stage.state === 'failed') return style.red(text);
  if (stage.state === 'running') return style.cyan(text);
  return stage.state === 'pending' ? style.dim(text) : text;
}

function detailOf(stage: StageProgress): string {
  if (stage.state === 'failed') return stage.problem ?? 'failed';
  if (stage.state === 'running') {
    if (stage.waits) return `${roundText(stage, ' ')}${stage.waits}`;
    if (!stage.figures) return roundText(stage);
    const { step, total } = stage.figures;
    return `${roundText(stage, ' ')}${total > 0 ? `${formatBar(step, total, BAR_WIDTH)} ` : ''}${figuresText(stage.figures)}`;
  }
  return [
    stage.state === 'reused' ? 'made before, reused' : '',
    metricsText(stage.metrics),
    stage.costUsd ? formatUsd(stage.costUsd) : '',
  ]
    .filter(Boolean)
    .join(' · ');
}

function roundText({ round, rounds }: StageProgress, after = ''): string {
  return round === undefined ? '' : `round ${round} of ${rounds}${after}`;
}

/** What a person can do where the run waits for one; what went wrong where it goes on by itself. */
export function noteOf({ workflowId, state, stage, stages, problem }: RunProgress): string | undefined {
  switch (state) {
    case 'running': {
      const again = stages.find(({ name }) => name === stage)?.again;
      return again && `${stage}, attempt ${again.attempt}: ${again.after}`;
    }
    case 'awaiting-approval':
      return `Waiting for approval after ${stage}: rmr1 approve ${workflowId}   or   rmr1 reject ${workflowId}`;
    case 'awaiting-correction':
      return (
        `Waiting for a correction of ${problem?.stage ?? stage}: ${sentence(problem?.message)}` +
        `Then: rmr1 correct ${workflowId} [--set key=value]`
      );
    case 'paused':
      return `Paused: rmr1 resume ${workflowId}`;
    default:
      return undefined;
  }
}

const sentence = (text = ''): string => (text === '' ? '' : `${text.replace(/\.?$/, '.')} `);

/** Cut to `columns` code points, so that a redrawn block keeps its height. */
function fit(text: string, columns: number): string {
  const flat = text.replaceAll(/\s*\n\s*/g, ' ');
  const points = [...flat];
  return points.length <= columns ? flat : `${points.slice(0, Math.max(0, columns - 1)).join('')}…`;
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line].map((wrapped) => fit(wrapped, columns));
}
