import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BadDataError, readPairs } from '../../activities/dataset/index.js';
import { arbitraryPair } from './arbitrary-pair.js';

const line = (record: unknown): string => JSON.stringify(record);
const pair = (question: string, extra: object = {}): object => ({
  prompt: question,
  chosen: `good ${question}`,
  rejected: `bad ${question}`,
  ...extra,
});

async function refusal(lines: string[], options = {}): Promise<string> {
  const error: unknown = await readPairs(lines, { source: 'pairs.jsonl', ...options }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(BadDataError.isInstance(error)).toBe(true);
  return (error as BadDataError).message;
}

describe('accepted shapes', () => {
  it('reads HH-RLHF transcripts: the shared turns are the conversation, the last turns the answers', async () => {
    const chosen = '\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: 2+2?\n\nAssistant: 4';
    const rejected = '\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: 2+2?\n\nAssistant: 5, I think.\n\nReally.';
    const { pairs, report } = await readPairs([line({ chosen, rejected })]);
    expect(pairs[0]).toMatchObject({
      conversation: [
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: 'Hello!' },
        { role: 'user', content: '2+2?' },
      ],
      chosen: '4',
      rejected: '5, I think.\n\nReally.',
      category: 'uncategorised',
    });
    expect(report).toMatchObject({ multiTurn: 1, shapes: { transcript: 1 } });
  });

  it.each(['prompt', 'question', 'conversation', 'messages'])('reads text in "%s"', async (field) => {
    const { pairs } = await readPairs([line({ [field]: 'Why?', chosen: 'Because.', rejected: 'No.' })]);
    expect(pairs[0]?.conversation).toEqual([{ role: 'user', content: 'Why?' }]);
  });

  it('reads message lists whose last turn is the answer, with or without a prompt beside them', async () => {
    const messages = (answer: string) => [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Why?' },
      { role: 'assistant', content: answer },
    ];
    const lists = { chosen: messages('Because.'), rejected: messages('No.') };
    const records = [lists, { prompt: 'Why?', ...lists }, { messages: messages('Because.'), ...lists }];
    for (const record of records) {
      const { pairs } = await readPairs([line(record)]);
      expect(pairs[0]).toMatchObject({
        conversation: messages('').slice(0, 2),
        chosen: 'Because.',
        rejected: 'No.',
      });
    }
  });

  it('reads a prompt that is a transcript ending with an open Assistant label', async () => {
    const { pairs } = await readPairs([line(pair('\n\nHuman: Why?\n\nAssistant:'))]);
    expect(pairs[0]?.conversation).toEqual([{ role: 'user', content: 'Why?' }]);
  });

  it('keeps category, magnitude, id, styles and group, and takes null for absent', async () => {
    const extra = {
      id: 7,
      category: 'math/add',
      magnitude: 3,
      styles: { chosen: 0, rejected: 2 },
      group: 'g',
    };
    const nulls = { id: null, category: null, magnitude: null, styles: null, group: null };
    const { pairs } = await readPairs([line(pair('a', extra)), line(pair('b', nulls))]);
    expect(pairs[0]).toMatchObject({ ...extra, id: '7' });
    expect(Object.keys(pairs[1] ?? {}).sort()).toEqual([
      'category',
      'chosen',
      'conversation',
      'id',
      'rejected',
    ]);
  });

  it('round trip: what is written as JSONL is read back as it was', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(arbitraryPair, { selector: ({ id }) => id, minLength: 1 }),
        async (pairs) => {
          const { pairs: read, report } = await readPairs(pairs.map(line), { maxFaultyShare: 0 });
          expect(read.length + report.duplicates).toBe(pairs.length);
          for (const one of read) expect(pairs).toContainEqual(one);
        },
      ),
    );
  });
});

describe('bad input is named, never guessed', () => {
  it.each([
    [
      'wrong JSON',
      '{"prompt": "a", ',
      /^pairs\.jsonl: line 2: is not valid JSON .*one complete JSON object a line/,
    ],
    ['not an object', '[1]', /line 2: is a list, not a JSON object/],
    ['missing answer', line({ prompt: 'a', chosen: 'x' }), /line 2, field "rejected": is missing/],
    [
      'null answer',
      line({ prompt: 'a', chosen: 'x', rejected: null }),
      /line 2, field "rejected": is null; give/,
    ],
    [
      'misspelt answer',
      line({ prompt: 'a', choosen: 'x', rejected: 'y' }),
      /is missing among "prompt", "choosen", "rejected"; give/,
    ],
    [
      'missing prompt',
      line({ chosen: 'x', rejected: 'y' }),
      /field "chosen": has no conversation: add a "prompt"/,
    ],
    ['wrong type', line({ prompt: 'a', chosen: 1, rejected: 'y' }), /field "chosen": must be text or a list/],
    ['wrong prompt type', line({ prompt: 3, chosen: 'x', rejected: 'y' }), /field "prompt": must be text/],
    ['empty prompt', line({ prompt: ' ', chosen: 'x', rejected: 'y' }), /field "prompt": is empty/],
    [
      'wrong role',
      line(pair('a', { prompt: [{ role: 'human', content: 'x' }] })),
      /field "prompt\[0\]\.role": must be/,
    ],
    [
      'empty turn',
      line(pair('a', { prompt: [{ role: 'user', content: '' }] })),
      /field "prompt\[0\]\.content": is empty/,
    ],
    [
      'answer to no question',
      line(pair('a', { prompt: [{ role: 'assistant', content: 'x' }] })),
      /user turn last/,
    ],
    [
      'list without answer',
      line(pair('a', { chosen: [{ role: 'user', content: 'x' }] })),
      /must end with an assistant/,
    ],
    [
      'other prompt',
      line(
        pair('a', {
          chosen: [
            { role: 'user', content: 'b' },
            { role: 'assistant', content: 'x' },
          ],
          rejected: [
            { role: 'user', content: 'b' },
            { role: 'assistant', content: 'y' },
          ],
        }),
      ),
      /field "prompt": differs from the turns/,
    ],
    ['magnitude', line(pair('a', { magnitude: 4 })), /field "magnitude": must be 1, 2 or 3/],
    ['category', line(pair('a', { category: 5 })), /field "category": must be text/],
    ['styles', line(pair('a', { styles: { chosen: 9, rejected: 0 } })), /field "styles\.chosen"/],
    [
      'equal answers',
      line({ prompt: 'a', chosen: 'x', rejected: ' x ' }),
      /field "rejected": chosen and rejected are the same/,
    ],
    ['empty answer', line({ prompt: 'a', chosen: 'x', rejected: ' ' }), /field "rejected": is empty/],
    [
      'two conversations',
      line({
        chosen: '\n\nHuman: a\n\nAssistant: x',
        rejected: '\n\nHuman: b\n\nAssistant: y',
      }),
      /field "rejected": has a different conversation/,
    ],
    [
      'open transcript',
      line({ chosen: '\n\nHuman: a', rejected: '\n\nHuman: b\n\nAssistant: y' }),
      /ends with a Human turn/,
    ],
  ])('%s', async (_name, bad, message) => {
    expect(await refusal([line(pair('fine')), bad])).toMatch(message);
  });

  it('one id with two contents', async () => {
    const message = await refusal([line(pair('a', { id: 'x' })), line(pair('b', { id: 'x' }))]);
    expect(message).toMatch(/line 2, field "id": "x" stands on line 1 too/);
  });

  it('a JSON list instead of lines', async () => {
    const message = await refusal(['[', '  {', '    "prompt": "a",', '  }', ']']);
    expect(message).toMatch(/^pairs\.jsonl: line 1: .*looks like one JSON list.*$/);
  });

  it('lists twenty problems and counts the rest', async () => {
    const message = await refusal(Array.from({ length: 33 }, () => '{'));
    expect(message.split('\n')).toHaveLength(22);
    expect(message).toMatch(/^pairs\.jsonl cannot be used, 33 problems:\n {2}line 1: /);
    expect(message).toMatch(/\n {2}and 13 more$/);
  });

  it('collects several problems of one line', async () => {
    const message = await refusal([line({ prompt: 1, chosen: 2, magnitude: 9 })]);
    for (const field of ['prompt', 'chosen', 'rejected', 'magnitude'])
      expect(message).toContain(`field "${field}"`);
  });

  it('nothing but blank lines', async () => {
    expect(await refusal(['', '  '])).toMatch(/is empty; give at least one/);
  });
});

describe('a few faulty records in a large collection', () => {
  const many = Array.from({ length: 200 }, (_, i) => line(pair(`question ${i}`)));
  const faulty = line({ prompt: 'a', chosen: 'x', rejected: 'x' });

  it('are left out, counted and named', async () => {
    const { report } = await readPairs([...many, faulty]);
    expect(report).toMatchObject({ records: 201, pairs: 200, dropped: { equalAnswers: 1 } });
    expect(report.droppedLines).toEqual([{ line: 201, reason: 'equalAnswers' }]);
    expect(report.warnings).toEqual(['1 of 201 records had equal answers and were left out (lines 201).']);
  });

  it('are errors above the share allowed', async () => {
    expect(await refusal([...many, faulty], { maxFaultyShare: 0 })).toMatch(/line 201/);
    expect(await refusal([...many.slice(0, 50), faulty])).toMatch(/line 51/);
  });

  it('malformed lines are errors however few', async () => {
    expect(await refusal([...many, '{'])).toMatch(/line 201/);
  });

  it('duplicates and contradictions are counted', async () => {
    const swapped = line({ prompt: 'Question 3?', chosen: 'bad question 3', rejected: 'good question 3' });
    const { report } = await readPairs([...many, many[3] ?? '', swapped]);
    expect(report).toMatchObject({ duplicates: 1, contradictory: 1, pairs: 201 });
  });
});

describe('over-long pairs', () => {
  const lines = [line(pair('short')), line(pair('long'.repeat(50)))];
  it('are dropped and counted while some fit', async () => {
    const { pairs, report } = await readPairs(lines, { maxCharacters: 100 });
    expect(pairs).toHaveLength(1);
    expect(report.dropped.overlong).toBe(1);
    expect(report.droppedLines).toEqual([{ line: 2, reason: 'overlong' }]);
  });
  it('are an error where none fits, which names the shortest', async () => {
    const countTokens = ({ chosen }: { chosen: string }) => chosen.length;
    expect(await refusal(lines, { maxTokens: 9, countTokens })).toMatch(
      /all 2 pairs are longer than 9 tokens \(the shortest has 10\)/,
    );
  });
});

describe('files', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'pairs-'));
  });
  afterAll(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  const write = (name: string, content: string | Buffer): string => {
    const path = join(dir, name);
    writeFileSync(path, content);
    return path;
  };
  const failure = async (path: string): Promise<string> =>
    readPairs(path).then(
      () => 'no error',
      (error: Error) => (BadDataError.isInstance(error) ? error.message : `other error: ${error.message}`),
    );

  it('plain and gzip files give the same pairs, whatever the line ends and the byte-order mark', async () => {
    const text = [line(pair('a')), line(pair('b, ünïcode'))].join('\r\n');
    const plain = await readPairs(write('a.jsonl', `\ufeff${text}`));
    const gzip = await readPairs(write('a.jsonl.gz', gzipSync(text)));
    expect(plain.pairs).toHaveLength(2);
    expect(gzip.pairs).toEqual(plain.pairs);
  });

  it('lines that cross read chunks stay whole', async () => {
    const long = Array.from({ length: 40 }, (_, i) => line(pair(`${i} ${'é'.repeat(20_000 + i)}`)));
    const { pairs } = await readPairs(write('long.jsonl', long.join('\n')));
    expect(pairs.map(({ id }) => id)).toEqual((await readPairs(long)).pairs.map(({ id }) => id));
  });

  it('missing, directory, empty, truncated, mislabelled and binary files each say so', async () => {
    const whole = gzipSync(line(pair('a')).repeat(50));
    expect(await failure(join(dir, 'absent.jsonl'))).toBe('absent.jsonl: does not exist; check the path');
    expect(await failure(dir)).toMatch(/is a directory/);
    expect(await failure(write('empty.jsonl', ''))).toMatch(/^empty\.jsonl: is empty/);
    expect(await failure(write('cut.jsonl.gz', whole.subarray(0, 60)))).toMatch(/truncated gzip/);
    expect(
      await failure(write('bad.jsonl.gz', Buffer.concat([whole.subarray(0, 12), Buffer.alloc(20, 7)]))),
    ).toMatch(/damaged gzip|truncated gzip/);
    expect(await failure(write('plain.jsonl.gz', line(pair('a'))))).toMatch(/is not gzip/);
    expect(await failure(write('latin1.jsonl', Buffer.from(line(pair('caf\u00e9')), 'latin1')))).toMatch(
      /line 1: is not UTF-8/,
    );
    expect(await failure(write('data.parquet', 'PAR1....'))).toMatch(/is a parquet file/);
  });
});
