import { present, type Message, type Pair, type PresentedPair } from '../../judge/pair.js';
import { ClientError } from '../errors.js';
import { listenForInterrupt } from '../interrupt.js';
import { ask, type Opinion } from '../judge/ask.js';
import { resolveModel } from '../judge/judge-model.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { formatShare } from '../progress/format.js';
import { checkPairs } from '../check-pairs.js';

export interface JudgeOptions extends SharedOptions {
  model: string;
  prompt?: string[];
  a?: string;
  b?: string;
  data?: string;
  limit?: number;
  promptVersion?: string;
  maxNewTokens?: number;
}

export async function run(options: JudgeOptions): Promise<void> {
  const items = options.data === undefined ? [typedPair(options)] : await filePairs(options.data, options);
  const model = await resolveModel(options.model, options.promptVersion);
  const interrupt = listenForInterrupt(() => process.exit(interrupt.exitCode()));
  try {
    const opinions = await ask(
      { ...model, ...(options.maxNewTokens ? { maxNewTokens: options.maxNewTokens } : {}) },
      items,
      { signal: interrupt.signal },
    );
    const [first] = opinions;
    if (options.data === undefined) print(options.json, first, () => opinionText(first as Opinion));
    else print(options.json, summary(items, opinions), () => summaryText(items, opinions));
  } finally {
    interrupt.dispose();
  }
}

/** The pair of `--prompt`, `--a` and `--b`; which of them is better is what the judge is asked. */
export function typedPair({ prompt = [], a, b, limit }: JudgeOptions): PresentedPair {
  const missing = [prompt.length === 0 ? '--prompt' : '', a ? '' : '--a', b ? '' : '--b'].filter(Boolean);
  if (missing.length > 0) {
    throw new ClientError(
      'Usage',
      `${missing.join(', ')} missing: give --prompt, --a and --b, or --data FILE.`,
    );
  }
  if (prompt.length % 2 === 0) {
    throw new ClientError(
      'Usage',
      'The conversation must end with the user: give --prompt an odd number of times.',
    );
  }
  if (limit !== undefined) throw new ClientError('Usage', '--limit counts pairs of --data FILE.');
  const conversation = prompt.map((content, index): Message => ({
    role: index % 2 === 0 ? 'user' : 'assistant',
    content,
  }));
  const pair: Pair = {
    id: 'command-line',
    conversation,
    chosen: a ?? '',
    rejected: b ?? '',
    category: 'none',
  };
  return present(pair, 'A');
}

async function filePairs(file: string, { prompt, a, b, limit }: JudgeOptions): Promise<PresentedPair[]> {
  if (prompt || a || b) throw new ClientError('Usage', 'Give either --data FILE or --prompt, --a and --b.');
  const { pairs } = await checkPairs(file);
  return pairs.slice(0, limit).flatMap((pair) => [present(pair, 'A'), present(pair, 'B')]);
}

/** The judgement and its verdict. */
export function opinionText({ text, verdict, tokens, finished }: Opinion): string {
  const said = {
    A: 'Reply A is better.',
    B: 'Reply B is better.',
    both: 'No verdict: the judgement names both replies.',
    none: finished ? 'No verdict.' : 'No verdict: the token limit cut the judgement.',
  }[verdict];
  return `${text.trim()}\n\n${said} (${tokens} tokens)`;
}

interface JudgedItem {
  pairId: string;
  category: string;
  gold: 'A' | 'B';
  verdict: Opinion['verdict'];
  text: string;
}

function summary(
  items: PresentedPair[],
  opinions: Opinion[],
): { accuracy: number; judgements: JudgedItem[] } {
  const judgements = items.map(({ pair, gold }, index) => ({
    pairId: pair.id,
    category: pair.category,
    gold,
    verdict: opinions[index]?.verdict ?? 'none',
    text: opinions[index]?.text ?? '',
  }));
  const right = judgements.filter(({ gold, verdict }) => gold === verdict).length;
  return { accuracy: right / judgements.length, judgements };
}

function summaryText(items: PresentedPair[], opinions: Opinion[]): string {
  const { accuracy, judgements } = summary(items, opinions);
  const lines = judgements.map(
    ({ pairId, gold, verdict }) =>
      `${verdict === gold ? '✓' : '✗'} ${pairId}  gold ${gold}  verdict ${verdict}`,
  );
  return [
    ...lines,
    '',
    `${formatShare(accuracy)} right of ${judgements.length} judgements, each pair in both orders`,
  ].join('\n');
}
