import type { LedgerReport } from '../../workflows/ledger.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { withRun } from './with-run.js';

export function run(options: SharedOptions, id?: string): Promise<void> {
  return withRun(id, async (handle) => {
    const ledger = await handle.ledger();
    print(options.json, { workflowId: handle.workflowId, ...ledger }, () => ledgerText(ledger));
  });
}

/** Spending by stage, pass and model, and what is left. */
export function ledgerText({ entries, spentUsd, unansweredUsd, reservedUsd, capUsd }: LedgerReport): string {
  const lines = entries.map(
    ({ stage, pass, model, calls, inputTokens, outputTokens, usd, unanswered }) =>
      `${stage}, pass ${pass}, ${model}: ${calls} answers, ${inputTokens} tokens in, ${outputTokens} out, ${money(usd)}` +
      (unanswered.calls > 0 ? `; ${unanswered.calls} unanswered, at most ${money(unanswered.usd)}` : ''),
  );
  const cap = capUsd === undefined ? 'no cap' : `cap ${money(capUsd)}`;
  const held = reservedUsd > 0 ? `, ${money(reservedUsd)} reserved` : '';
  const lost = unansweredUsd > 0 ? `, up to ${money(unansweredUsd)} for lost answers` : '';
  return [...lines, `Spent ${money(spentUsd)}${lost}${held}; ${cap}.`].join('\n');
}

function money(usd: number): string {
  return `$${usd.toFixed(4)}`;
}
