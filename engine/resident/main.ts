/**
 * A model that stays loaded and answers prompts: `node dist/engine/resident/main.js CONFIG.json`, started with an IPC
 * channel. Whatever waits when a batch ends is decoded together as the next one. It ends with its supervisor.
 */
import { readFileSync } from 'node:fs';
import { readModelDirectory, type LoadedModel } from '../checkpoint/model-directory.js';
import { hashId } from '../data/random.js';
import { badJob, exitCode, reading, toEngineError } from '../errors.js';
import { EXIT } from '../job.js';
import { Decoder } from '../rollout/decoder.js';
import { Batcher } from './batcher.js';
import {
  residentConfigSchema,
  type ResidentCommand,
  type ResidentConfig,
  type ResidentEvent,
  type ResidentQuestion,
} from './protocol.js';
import { encodeAnswer, Scorer, type EncodedAnswer } from './scoring.js';

type Encoded = EncodedAnswer;

function readConfig(path: string | undefined): ResidentConfig {
  if (path === undefined) throw badJob('no configuration given: start the engine with the path of a file');
  const text = reading('the configuration', path, () => readFileSync(path, 'utf8'));
  const parsed = residentConfigSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw badJob(`${path}: ${problems.join('; ')}`);
}

function send(event: ResidentEvent): Promise<void> {
  return new Promise((resolve) => {
    // A supervisor that is gone cannot listen; `disconnect` ends the process.
    if (process.send) process.send(event, undefined, undefined, () => resolve());
    else resolve();
  });
}

/** Tokens of a prompt, or why it cannot be answered. */
function encode(question: ResidentQuestion, { tokenizer, layout }: LoadedModel): Encoded | string {
  const { maxLength } = layout.config;
  const tokens = tokenizer.encode(question.prompt);
  if (tokens.length === 0) return 'the prompt is empty';
  if (tokens.length + question.maxNewTokens > maxLength) {
    return `the prompt has ${tokens.length} tokens; with ${question.maxNewTokens} for the answer that is more than the model's ${maxLength}`;
  }
  return { ...question, tokens, promptTokens: tokens.length };
}

async function answer(
  model: LoadedModel,
  decoder: Decoder,
  batch: Encoded[],
  batchSize: number,
): Promise<void> {
  const [{ temperature, maxNewTokens, seed }] = batch as [Encoded, ...Encoded[]];
  const began = performance.now();
  const completions = await decoder.generate(
    { parameters: model.parameters },
    batch.map(({ tokens, key }) => ({ tokens, key: hashId(key) })),
    {
      samples: 1,
      temperature,
      maxNewTokens,
      batchSize,
      seed,
      step: 0,
      stops: [model.tokenizer.endOfText],
    },
  );
  const total = completions.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const seconds = (performance.now() - began) / 1000;
  void send({ type: 'batch', rows: batch.length, seconds, tokens: total });
  for (const { prompt, tokens, finished } of completions) {
    const { id, tokens: promptTokens } = batch[prompt]!;
    void send({
      type: 'answered',
      id,
      answer: {
        text: model.tokenizer.decode(tokens),
        promptTokens: promptTokens.length,
        tokens: tokens.length,
        finished,
      },
    });
  }
}

/** The scores of a batch of answers. */
async function score(scorer: Scorer, batch: Encoded[]): Promise<void> {
  const began = performance.now();
  const scores = await scorer.scores(batch);
  void send({ type: 'batch', rows: batch.length, seconds: (performance.now() - began) / 1000, tokens: 0 });
  batch.forEach(({ id, tokens }, index) => {
    const answer = {
      text: '',
      promptTokens: tokens.length,
      tokens: 0,
      finished: true,
      score: scores[index]!,
    };
    void send({ type: 'answered', id, answer });
  });
}

async function serve(config: ResidentConfig): Promise<never> {
  const model = readModelDirectory(config.model);
  const scalarHead = model.layout.config.scalarHead === true;
  let scorer: Scorer | undefined;
  const decoder = new Decoder({ layout: model.layout }, config.threads);
  if (!scorer) await decoder.hold({ parameters: model.parameters });
  const batcher = new Batcher<Encoded>(config.batchSize, ({ tokens }) => tokens.length);
  process.on('message', (command: ResidentCommand) => {
    if (command.type === 'stop') process.exit(EXIT.done);
    if (command.type === 'forget') return batcher.forget(command.id);
    const { question } = command;
    const scores = scalarHead || question.answer !== undefined;
    const encoded = scores ? encodeAnswer(question, model) : encode(question, model);
    if (typeof encoded === 'string') return void send({ type: 'refused', id: question.id, message: encoded });
    return batcher.add(encoded);
  });
  const { size, config: shape } = model.layout;
  await send({ type: 'ready', parameters: size, maxLength: shape.maxLength, scalarHead });
  for (;;) {
    const batch = await batcher.next();
    if (scalarHead || batch[0]?.answer !== undefined)
      await score((scorer ??= await Scorer.create(model, config.threads)), batch);
    else await answer(model, decoder, batch, config.batchSize);
  }
}

process.on('disconnect', () => process.exit(EXIT.failed));
// The supervisor decides when this process ends, also where a terminal signals the whole group.
process.on('SIGINT', () => undefined);
try {
  await serve(readConfig(process.argv[2]));
} catch (error) {
  const known = toEngineError(error);
  if (known.type === 'EngineFailed') process.stderr.write(`${(error as Error)?.stack ?? String(error)}\n`);
  await send({ type: 'failed', error: { type: known.type, message: known.message } });
  process.exit(exitCode(known));
}
