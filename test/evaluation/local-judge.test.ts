/** The resident engine of a local judge, as a real process. */
import { setMaxListeners } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Judge, Question } from '../../activities/evaluation/judges/judge.js';
import { localJudge } from '../../activities/evaluation/judges/local-judge.js';
import { ResidentEngine, type ResidentBatch } from '../../activities/evaluation/judges/resident-engine.js';
import { writeModelFiles } from '../../engine/checkpoint/model-directory.js';
import { samplingSchema } from '../../workflows/judge-settings.js';
import { tinyModel, writeTinyTokenizer } from '../engine-run/support/tiny-model.js';

const TEMPLATE = '{% for m in messages %}<user> {{ m.content }} {% endfor %}<assistant>';

let dir: string;
let judge: Judge;
const batches: ResidentBatch[] = [];
const { signal } = new AbortController();
setMaxListeners(0, signal);
const settings = { kind: 'local', promptVersion: 'compact-v1', threads: 1, batchSize: 16 } as const;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rmr1-local-judge-'));
  writeTinyTokenizer(dir);
  writeModelFiles(dir, tinyModel(dir));
  const configFile = join(dir, 'tokenizer_config.json');
  const config = JSON.parse(await readFile(configFile, 'utf8')) as Record<string, unknown>;
  await writeFile(configFile, JSON.stringify({ ...config, chat_template: TEMPLATE }));
  judge = await localJudge({ dir, sha256: 'x' }, settings, samplingSchema.parse({ maxTokens: 12 }), (batch) =>
    batches.push(batch),
  );
});
afterAll(async () => {
  await judge.close();
  await rm(dir, { recursive: true, force: true });
});

const question = (index: number, change: Partial<Question> = {}): Question => ({
  conversation: [{ role: 'user', content: 'good '.repeat(1 + (index % 5)).trim() }],
  answerA: index % 2 === 0 ? 'so good' : 'bad',
  answerB: index % 3 === 0 ? 'judge bad' : 'good good',
  sample: 0,
  ...change,
});

describe('a local judge', () => {
  it('decodes together what is asked together, and says the same as to one at a time', async () => {
    const alone = [];
    for (let index = 0; index < 6; index++) alone.push(await judge.ask(question(index), signal));
    batches.length = 0;
    const together = await Promise.all(
      Array.from({ length: 30 }, (_, index) => judge.ask(question(index), signal)),
    );
    expect(together.slice(0, 6)).toEqual(alone);
    // How many have arrived when a batch begins depends on the machine; more than the limit never go together.
    const most = Math.max(...batches.map(({ rows }) => rows));
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(16);
    expect(batches.reduce((sum, { rows }) => sum + rows, 0)).toBe(30);
    expect(together[0]).toMatchObject({
      inputTokens: expect.any(Number) as number,
      text: expect.any(String) as string,
    });
  });

  it('names what decides its judgements, not where it runs', () => {
    expect(judge.identity).toEqual({
      kind: 'local',
      model: 'x',
      engine: expect.any(String) as string,
      promptVersion: 'compact-v1',
      temperature: 0,
      maxTokens: 12,
    });
  });

  it('refuses what it cannot read and goes on', async () => {
    const long = question(0, { answerA: 'good '.repeat(80) });
    await expect(judge.ask(long, signal)).rejects.toMatchObject({
      type: 'JudgeRejected',
      message: expect.stringMatching(/64/) as string,
    });
    await judge.ask(question(0), signal);
  });

  it('draws samples of one question differently, and each the same again', async () => {
    const warm = await localJudge(
      { dir, sha256: 'x' },
      settings,
      samplingSchema.parse({ maxTokens: 12, temperature: 1, seed: 3 }),
    );
    try {
      const samples = await Promise.all(
        [0, 1, 2, 3].map((sample) => warm.ask(question(1, { sample }), signal)),
      );
      expect(new Set(samples.map(({ text }) => text)).size).toBeGreaterThan(1);
      expect(await warm.ask(question(1, { sample: 2 }), signal)).toEqual(samples[2]);
    } finally {
      await warm.close();
    }
  });

  it('completes plain chats', async () => {
    const parameters = { temperature: 0, maxTokens: 5 };
    const answer = await judge.chat!([{ role: 'user', content: 'good' }], parameters, signal);
    expect(answer.outputTokens).toBeLessThanOrEqual(5);
  });

  it('forgets a question that nobody waits for', async () => {
    const abort = new AbortController();
    const asked = judge.ask(question(2), abort.signal);
    abort.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
    await judge.ask(question(2), signal);
  });
});

describe('a resident engine', () => {
  it('that dies fails what waits, and says so to whoever asks later', async () => {
    const engine = await ResidentEngine.start({ model: dir, threads: 1, batchSize: 4 });
    const ask = { prompt: '<user> good <assistant>', maxNewTokens: 20, temperature: 0, seed: 0, key: 'k' };
    const waiting = engine.ask(ask, signal);
    process.kill(engine.pid!, 'SIGKILL');
    await expect(waiting).rejects.toMatchObject({ type: 'TrainerLost' });
    await expect(engine.ask(ask, signal)).rejects.toMatchObject({ type: 'TrainerLost' });
    await engine.close();
  });

  it('refuses a directory that holds no model with the name of what is missing', async () => {
    await expect(ResidentEngine.start({ model: '/nowhere', threads: 1, batchSize: 4 })).rejects.toMatchObject(
      {
        type: 'TrainerRefused',
        message: expect.stringMatching(/nowhere/) as string,
      },
    );
  });
});
