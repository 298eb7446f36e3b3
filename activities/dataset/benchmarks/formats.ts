/** The public formats of the benchmarks: one record of their files → items. */
import { basename } from 'node:path';
import { z } from 'zod';
import type {
  BenchmarkItem,
  BenchmarkMessage,
  BenchmarkName,
  ItemIdentity,
  StyleLevel,
} from '../../../benchmarks/index.js';
import { itemKey, RM_BENCH_SUBSETS } from '../../../benchmarks/index.js';

/** What a record is read with besides itself. */
export interface FileContext {
  /** Name of the file: RM-Bench's own files name their subset only there. */
  file: string;
}

export type ParsedRow =
  { ok: true; items: BenchmarkItem[] } | { ok: false; problems: { field: string; message: string }[] };

// The files are others': fields that are not needed are ignored.
const text = z.string('must be text');
const id = z
  .union([z.string().min(1), z.int(), z.bigint()], 'must be text or a whole number')
  .transform((value) => String(value));
const messages = z
  .array(
    z.looseObject(
      {
        role: z.enum(['system', 'user', 'assistant'], 'must be "system", "user" or "assistant"'),
        content: text,
      },
      'must be an object {"role", "content"}',
    ),
    'must be a list of messages',
  )
  .min(1, 'is an empty conversation')
  .transform((turns): BenchmarkMessage[] => turns.map(({ role, content }) => ({ role, content })))
  .refine((turns) => turns.at(-1)!.role === 'user', 'must end with a turn of the user');
const prompt = z.union([text.transform(asked), messages], 'must be text or a list of messages');
const answer = z.looseObject({ answer: text }, 'must be an object {"answer"}');
const styles = z.tuple([text, text, text], 'must be a list of three answers: concise, detailed, markdown');

const rewardBench = z
  .looseObject({ id, subset: text.min(1, 'is empty'), prompt, chosen: text, rejected: text })
  .transform((row): BenchmarkItem[] => [
    item({ benchmark: 'rewardbench', subset: row.subset, id: row.id }, row.prompt, row.chosen, row.rejected),
  ]);

const rmBench = (context: FileContext) =>
  z
    .looseObject({ id, domain: text.optional(), prompt, chosen: styles, rejected: styles })
    .transform(({ id: record, domain, ...row }, { issues, value }): BenchmarkItem[] => {
      const subset = domain ?? subsetOfFile(context.file);
      if (subset === undefined || !RM_BENCH_SUBSETS.has(subset)) {
        const known = [...RM_BENCH_SUBSETS.keys()].join(', ');
        const message =
          subset === undefined
            ? `is missing, and the file's name does not tell it; it is one of ${known}`
            : `"${subset}" is none of ${known}`;
        issues.push({ code: 'custom', path: ['domain'], message, input: value });
        return z.NEVER;
      }
      const levels: StyleLevel[] = [0, 1, 2];
      return levels.flatMap((chosenStyle) =>
        levels.map((rejectedStyle) =>
          item(
            { benchmark: 'rm-bench', subset, id: record, chosenStyle, rejectedStyle },
            row.prompt,
            row.chosen[chosenStyle],
            row.rejected[rejectedStyle],
          ),
        ),
      );
    });

const rmbPair = z
  .looseObject({
    pair_uid: id,
    category_path: text.startsWith('Pairwise_set/', 'must begin with "Pairwise_set/"'),
    conversation_input: messages,
    chosen: answer,
    reject: answer,
  })
  .transform((row): BenchmarkItem[] => [
    item(
      { benchmark: 'rmb', subset: row.category_path, id: row.pair_uid },
      row.conversation_input,
      row.chosen.answer,
      row.reject.answer,
    ),
  ]);

const rmbList = z
  .looseObject({
    bon_uid: id,
    category_path: text.startsWith('BoN_set/', 'must begin with "BoN_set/"'),
    conversation_input: messages,
    bon_best: answer,
    loser_list: z.array(answer, 'must be a list of answers').min(1, 'is empty; a list needs a loser'),
  })
  .transform((row): BenchmarkItem[] =>
    row.loser_list.map((loser, rival) =>
      item(
        {
          benchmark: 'rmb',
          subset: row.category_path,
          id: row.bon_uid,
          group: row.bon_uid,
          rival: String(rival),
        },
        row.conversation_input,
        row.bon_best.answer,
        loser.answer,
      ),
    ),
  );

/** The items of one record, or all that is wrong with it. */
export function parseRow(benchmark: BenchmarkName, value: unknown, context: FileContext): ParsedRow {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { ok: false, problems: [{ field: '', message: 'is not a JSON object' }] };
  const parsed = schemaOf(benchmark, value, context).safeParse(value);
  if (parsed.success) return { ok: true, items: parsed.data };
  return {
    ok: false,
    problems: parsed.error.issues.map(({ path, message }) => {
      const absent = path.length === 1 && !(path[0]! in value);
      return {
        field: path.join('.'),
        message: absent && !message.startsWith('is ') ? `is missing; it ${message}` : message,
      };
    }),
  };
}

function schemaOf(benchmark: BenchmarkName, value: object, context: FileContext): z.ZodType<BenchmarkItem[]> {
  switch (benchmark) {
    case 'rewardbench':
      return rewardBench;
    case 'rm-bench':
      return rmBench(context);
    case 'rmb':
      return 'bon_uid' in value ? rmbList : rmbPair;
  }
}

function item(
  identity: ItemIdentity,
  conversation: BenchmarkMessage[],
  chosen: string,
  rejected: string,
): BenchmarkItem {
  return { key: itemKey(identity), ...identity, conversation, chosen, rejected };
}

function asked(content: string): BenchmarkMessage[] {
  return [{ role: 'user', content }];
}

/** `safety-refuse_filtered.json` → `safety-refuse`; undefined where the name is no subset's. */
function subsetOfFile(file: string): string | undefined {
  const name = basename(file)
    .split('.')[0]!
    .replace(/_filtered$/, '');
  return RM_BENCH_SUBSETS.has(name) ? name : undefined;
}
