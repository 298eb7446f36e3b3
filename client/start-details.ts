/** What the Temporal UI shows of a run before its first stage. */
import type { ResolvedRunInput } from '../workflows/inputs.js';

/** Summary (one line), details (markdown) and memo of a run. Never holds a secret: none of these is encrypted. */
export function describeStart(input: ResolvedRunInput): {
  staticSummary: string;
  staticDetails: string;
  memo: Record<string, unknown>;
} {
  const { recipe, data, seed, budget, gates, overrides, oracle, startedBy } = input;
  const rows: [string, string | undefined][] = [
    ['recipe', recipe],
    ['data', typeof data === 'object' ? `${data.uri} (${data.bytes} bytes)` : data],
    ['seed', seed === undefined ? "the recipe's" : String(seed)],
    ['oracle', [oracle.provider, oracle.model, oracle.baseUrl].filter(Boolean).join(' ') || "the recipe's"],
    ['budget', budget ? `${budget.usd} USD` : 'no cap'],
    ['gates', gates.join(', ') || 'none'],
    ['overrides', Object.keys(overrides).length ? JSON.stringify(overrides) : 'none'],
    ['started by', startedBy],
  ];
  const table = rows
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `| ${name} | ${escapeCell(value ?? '')} |`);
  return {
    staticSummary: `Train a reasoning reward model: ${recipe}`.slice(0, 200),
    staticDetails: ['| setting | value |', '|---|---|', ...table].join('\n').slice(0, 20_000),
    memo: { recipeName: recipe, startedBy },
  };
}

const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
