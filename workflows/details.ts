/** The run as markdown for the Temporal UI ('current details'): a progress bar and a table of stages. */
import type { LedgerReport } from './ledger.js';
import type { RunProgress, StageFigures, StageProgress } from './messages.js';

const MARK = { pending: '·', running: '▶', done: '✓', reused: '↺', failed: '✗' } as const;

/** At most 20 kB, the server's limit for user metadata; a run has seven stages of one line. */
export function renderDetails(progress: RunProgress, ledger?: LedgerReport): string {
  const finished = progress.stages.filter(({ state }) => state === 'done' || state === 'reused').length;
  const lines = [
    `**${progress.recipe}** · ${progress.state} · ${bar(finished, progress.stages.length)} ${finished} of ${progress.stages.length} stages`,
    '',
    '| stage | state | time | cost | latest |',
    '|---|---|---|---|---|',
    ...progress.stages.map(row),
  ];
  if (ledger) lines.push('', describeLedger(ledger));
  if (progress.problem) {
    const { stage, type, message } = progress.problem;
    lines.push('', `**Waiting for a correction of ${stage}** (${type}): ${message}`);
    if (type !== 'BudgetExhausted') {
      lines.push('', 'Send the update `correct` with `{"overrides": {…}}`, or `{}` to try again.');
    }
  }
  if (progress.state === 'awaiting-approval') lines.push('', 'Send the update `approve` or `reject`.');
  if (progress.state === 'paused') lines.push('', 'Paused. Send the update `resume` to go on.');
  const report = progress.stages.find(({ name }) => name === 'report')?.outputs?.report;
  if (report) lines.push('', `Report: \`rmr1 report ${progress.workflowId}\` · \`${report.uri}\``);
  return lines.join('\n');
}

function row(stage: StageProgress): string {
  const time = stage.seconds === undefined ? '' : `${stage.seconds.toFixed(1)} s`;
  const cost = stage.costUsd ? `$${stage.costUsd.toFixed(4)}` : '';
  // What a stage came to is worth more than where it was last seen.
  const live = stage.state === 'done' || stage.state === 'reused' ? undefined : stage.figures;
  const latest = stage.problem ?? (live ? describeFigures(live) : describeMetrics(stage.metrics));
  const round = stage.round === undefined ? '' : ` (round ${stage.round} of ${stage.rounds})`;
  return `| ${stage.name}${round} | ${MARK[stage.state]} ${stage.state} | ${time} | ${cost} | ${latest.replaceAll('|', '\\|')} |`;
}

/** One line of figures, for people. */
export function describeFigures(figures: StageFigures): string {
  const parts = [`${figures.step}/${figures.total}`];
  if (figures.loss !== undefined) parts.push(`loss ${figures.loss.toFixed(3)}`);
  if (figures.reward !== undefined) parts.push(`reward ${figures.reward.toFixed(3)}`);
  if (figures.accuracy !== undefined) parts.push(`accuracy ${accuracyText(figures)}`);
  if (figures.tokensPerSecond !== undefined) parts.push(`${Math.round(figures.tokensPerSecond)} tok/s`);
  if (figures.etaSeconds !== undefined) parts.push(`${Math.round(figures.etaSeconds)} s left`);
  return parts.join(' · ');
}

/** One line: money spent, the cap, the calls it bought. */
function describeLedger({ spentUsd, unansweredUsd, capUsd, calls }: LedgerReport): string {
  const cap = capUsd === undefined ? '' : ` of $${capUsd}`;
  const lost = unansweredUsd > 0 ? ` (and up to $${unansweredUsd.toFixed(4)} for lost answers)` : '';
  return `Oracle: $${spentUsd.toFixed(4)}${cap} spent${lost} · ${calls} answers paid`;
}

function accuracyText({ accuracy = 0, low, high }: StageFigures): string {
  const percent = (share: number) => (share * 100).toFixed(1);
  const interval = low === undefined || high === undefined ? '' : ` (${percent(low)}–${percent(high)})`;
  return `${percent(accuracy)} %${interval}`;
}

function describeMetrics(metrics: Record<string, number> | undefined): string {
  return Object.entries(metrics ?? {})
    .slice(0, 4)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toFixed(3)}`)
    .join(' · ');
}

function bar(done: number, total: number): string {
  const width = 12;
  const filled = total === 0 ? 0 : Math.round((width * done) / total);
  return '█'.repeat(filled) + '░'.repeat(width - filled);
}
