/** Generation: batches of prompts in, sampled or greedy completions with their log-probabilities out. */
import { createSession, tensor, type GraphSession, type Provider, type Tensors } from '../onnx/index.js';
import type { ParameterLayout } from '../model/parameters.js';
import type { TrainedModel } from '../model/trained-model.js';
import { badJob } from '../errors.js';
import { cacheNames, type Cut } from './blocks.js';
import { joinCaches, type Cache } from './cache.js';
import { CHUNK, decodeGraph, type Choosing } from './decode-graph.js';
import { causalMask, MASKED, prefillGraph } from './prefill-graph.js';
import { packedDecodeSession } from './packed-weights.js';
import { prefillRuns } from './prefill-runs.js';
import { bucketOf, drawUniforms, mayJoin, rowsInMemory, rowsOf, type Prompt, type Row } from './rows.js';
import { mayStayWhole, prepareFeeds, prepareGraph, rawTensors } from './prepared-weights.js';

export type { Prompt } from './rows.js';

export interface DecoderWeights {
  /** Flat vector of the decoder's layout. */
  parameters: Float32Array;
  /** Flat vector of the adapter's layout, where the model has one. */
  adapter?: Float32Array | undefined;
}

export interface GenerationSettings {
  /** Completions of each prompt. */
  samples: number;
  /** 0 is greedy; otherwise tokens are drawn from softmax(logits / temperature). */
  temperature: number;
  /** Draw from the likeliest tokens whose probabilities add up to this; 1 or absent: from all. */
  topP?: number | undefined;
  maxNewTokens: number;
  /** Most rows decoded together; fewer where keys and values of so many would take too much memory. */
  batchSize: number;
  seed: number;
  /** Training step, so that the same prompt draws anew in every step; 0 outside training. */
  step: number;
  /** Tokens that end a completion. */
  stops: readonly number[];
  /** Whether waiting rows take the places of finished ones before a batch is done. Default: in larger models. */
  refill?: boolean;
  /** Whether weights are packed before they are decoded with, see `packed-weights.ts`. Default: in larger models. */
  packed?: boolean;
}

export interface Completion {
  /** Index into the prompts given. */
  prompt: number;
  sample: number;
  /** Generated ids; the last one is the stop token if `finished`. */
  tokens: Int32Array;
  /** Log-probability of each token under softmax(logits / temperature) (greedy: at temperature 1). */
  logps: Float32Array;
  /** False where `maxNewTokens` cut it. */
  finished: boolean;
}

/**
 * Models with more parameters refill. Weights of smaller ones stay in the processor's cache, so that few rows cost no
 * more each than many, and the wider past that rows of different length share costs more than it brings.
 */
const REFILL_PARAMETERS = 2_000_000;
/** Models with more parameters decode with packed weights; in smaller ones loading the graph anew costs more than it brings. */
const PACKED_PARAMETERS = 2_000_000;
/** Unless weights are packed: a single row takes another path through the matrix kernels, and few rows are shared out between many threads. */
const MIN_ROWS = 8;
/** Weights ready for decoding. */
interface Prepared {
  /** See `prepared-weights.ts`. */
  feeds: Tensors;
  cut: Cut;
  decodeSession: (choosing: Choosing) => Promise<GraphSession>;
  /** Batches are filled up to this many rows. */
  minRows: number;
  release: () => Promise<void>;
}

/** The session under `key`, made where it is not there yet. */
async function sessionOf<K>(
  sessions: Map<K, GraphSession>,
  key: K,
  make: () => Promise<GraphSession>,
): Promise<GraphSession> {
  const session = sessions.get(key) ?? (await make());
  sessions.set(key, session);
  return session;
}

const int64 = (values: readonly number[], shape: readonly number[]) =>
  tensor(
    'int64',
    BigInt64Array.from(values, (value) => BigInt(value)),
    shape,
  );

/** Let messages and signals be handled between runs, which block the thread. */
const breathe = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Generates with the weights given to each call. Sessions are made on first use and kept until `release`. */
export class Decoder {
  private readonly prefillers = new Map<Cut, GraphSession>();
  private readonly decoders = new Map<Choosing, GraphSession>();
  private readonly layout: ParameterLayout;
  private readonly preparations = new Map<Cut, GraphSession>();
  private held: { of: DecoderWeights; prepared: Prepared } | undefined;

  constructor(
    private readonly model: TrainedModel,
    private readonly threads: number,
    private readonly provider?: Provider,
  ) {
    this.layout = model.layout;
  }

  /**
   * @param weights flat vector of the decoder, and that of its adapters where it has some
   * @param onBatch called whenever rows are done, with the completions finished so far
   * @returns `prompts.length · samples` completions, those of a prompt next to each other, in order
   * @throws EngineError (bad job) when a prompt and `maxNewTokens` do not fit into the model's `maxLength`
   */
  async generate(
    weights: DecoderWeights,
    prompts: readonly Prompt[],
    settings: GenerationSettings,
    onBatch?: (done: number, tokens: number) => void,
  ): Promise<Completion[]> {
    const { maxLength } = this.layout.config;
    const longest = prompts.reduce((length, prompt) => Math.max(length, prompt.tokens.length), 0);
    if (longest + settings.maxNewTokens > maxLength)
      throw badJob(
        `a prompt of ${longest} tokens and maxNewTokens ${settings.maxNewTokens} do not fit into the model's ` +
          `maxLength ${maxLength}: lower maxNewTokens or shorten the prompts`,
      );
    const { of, prepared: kept } = this.held ?? {};
    const held = of?.parameters === weights.parameters && of.adapter === weights.adapter ? kept : undefined;
    const prepared = held ?? (await this.prepare(weights, settings.packed));
    try {
      const fitting = rowsInMemory(this.layout.config, longest + settings.maxNewTokens);
      const batchSize = Math.min(settings.batchSize, fitting);
      return await this.complete(prepared, prompts, { ...settings, batchSize }, onBatch);
    } finally {
      if (!held) await prepared.release();
    }
  }

  /** Prepare weights that do not change once for all calls of `generate` with the same vectors. */
  async hold(weights: DecoderWeights): Promise<void> {
    await this.held?.prepared.release();
    this.held = { of: weights, prepared: await this.prepare(weights) };
  }

  private async complete(
    prepared: Prepared,
    prompts: readonly Prompt[],
    settings: GenerationSettings,
    onBatch?: (done: number, tokens: number) => void,
  ): Promise<Completion[]> {
    const results = new Array<Completion>(prompts.length * settings.samples);
    const stops = new Set(settings.stops);
    let done = 0;
    let tokens = 0;
    /** @returns false: the row does not go on */
    const finish = (row: Row, finished: boolean): false => {
      const { prompt, sample } = row;
      const ended = { tokens: Int32Array.from(row.tokens), logps: Float32Array.from(row.logps), finished };
      results[prompt * settings.samples + sample] = { prompt, sample, ...ended };
      done += 1;
      tokens += row.tokens.length;
      return false;
    };
    const refill = settings.refill ?? this.layout.size > REFILL_PARAMETERS;
    const waiting = rowsOf(prompts, settings.samples);
    let live: Row[] = [];
    let cache: Cache = { tensors: {}, past: 0 };
    while (live.length + waiting.length > 0) {
      if (live.length === 0 || (refill && mayJoin(live, waiting, cache, settings))) {
        const joining = waiting.splice(0, settings.batchSize - live.length);
        cache = await this.join(prepared, prompts, cache, live, joining);
        live.push(...joining);
      }
      const output = await this.chunk(prepared, cache, prompts, live, settings);
      const before = done;
      live = live.filter((row, index) => {
        row.source = index;
        for (let step = 0; step < output.steps; step++) {
          row.last = Number(output.ids[step * output.rows + index]);
          row.tokens.push(row.last);
          row.logps.push(output.logps[step * output.rows + index]!);
          if (stops.has(row.last)) return finish(row, true);
          if (row.tokens.length === settings.maxNewTokens) return finish(row, false);
        }
        return true;
      });
      cache = output.cache;
      if (done > before) onBatch?.(done, tokens);
      await breathe();
    }
    return results;
  }

  /** Free all sessions. */
  async release(): Promise<void> {
    for (const session of this.decoders.values()) await session.release();
    for (const session of this.prefillers.values()) await session.release();
    this.prefillers.clear();
    await this.held?.prepared.release();
    this.held = undefined;
    for (const session of this.preparations.values()) await session.release();
    this.preparations.clear();
    this.decoders.clear();
  }

  /** See `prepared-weights.ts`; the result does not share memory with `weights`. */
  private async prepare(
    { parameters, adapter }: DecoderWeights,
    // On a GPU every product is a launch: whole matrices take a fraction of those that factors take.
    pack = this.layout.size > PACKED_PARAMETERS || this.provider === 'cuda',
  ): Promise<Prepared> {
    const { threads, provider } = this;
    // Without packing the decode graph shares the factors, which it needs: its rows are few and change.
    const whole = pack && (provider === 'cuda' || mayStayWhole(this.layout, threads));
    const cut: Cut = whole ? 'whole' : 'factors';
    // It runs once a call, on much memory that nothing else needs.
    const preparation = await sessionOf(this.preparations, cut, () =>
      createSession(prepareGraph(this.model, cut), { threads, provider, arena: false }),
    );
    const factors = await preparation.run(prepareFeeds(this.model, parameters, adapter));
    const feeds = { ...rawTensors(this.layout, parameters), ...factors };
    if (!pack)
      return {
        feeds,
        cut,
        minRows: MIN_ROWS,
        decodeSession: (choosing) => this.decodeSession(choosing),
        release: async () => undefined,
      };
    const packed = new Map<Choosing, GraphSession>();
    return {
      feeds,
      cut,
      minRows: 1,
      decodeSession: (choosing) =>
        sessionOf(packed, choosing, () =>
          packedDecodeSession(this.layout, choosing, feeds, cut, { threads, provider }),
        ),
      release: async () => {
        for (const session of packed.values()) await session.release();
      },
    };
  }

  private decodeSession(choosing: Choosing): Promise<GraphSession> {
    const { threads, provider } = this;
    return sessionOf(this.decoders, choosing, () =>
      createSession(decodeGraph(this.layout, choosing), { threads, provider }),
    );
  }

  /** Keys and values of prompts, each once, however many samples; see `prefillGraph`. */
  private async prefill(
    { feeds: weights, cut }: Prepared,
    prompts: readonly Prompt[],
    width: number,
  ): Promise<Tensors> {
    const { threads, provider } = this;
    const prefiller = await sessionOf(this.prefillers, cut, () =>
      createSession(prefillGraph(this.layout, cut), { threads, provider }),
    );
    const ids = new BigInt64Array(prompts.length * width);
    prompts.forEach(({ tokens }, row) => {
      for (let i = 0; i + 1 < tokens.length; i++) ids[row * width + i] = BigInt(tokens[i]!);
    });
    const read = await prefiller.run({
      ...weights,
      tokens: tensor('int64', ids, [prompts.length, width]),
      mask: causalMask(width),
    });
    await breathe();
    return read;
  }

  /** The cache of the live rows and of those that join them; sets `source` of all. */
  private async join(
    prepared: Prepared,
    prompts: readonly Prompt[],
    cache: Cache,
    live: readonly Row[],
    joining: readonly Row[],
  ): Promise<Cache> {
    const sources = [...new Set(joining.map((row) => row.prompt))];
    const read = sources.map((index) => prompts[index]!);
    const fresh: Cache[] = [];
    for (const { some, width } of prefillRuns(read, this.layout.config.heads))
      fresh.push({ tensors: await this.prefill(prepared, some, width), past: width });
    const bucket = Math.max(...read.map(bucketOf));
    const place = new Map(sources.map((prompt, i) => [prompt, live.length + i]));
    for (const row of joining) row.source = place.get(row.prompt)!;
    const [only] = fresh;
    if (live.length === 0 && fresh.length === 1 && only!.past === bucket) return only!;
    const needed = live.map((row) => bucketOf(prompts[row.prompt]!) + row.tokens.length);
    const used = live.map(({ source, cached, tokens }) => ({
      source,
      prompt: cached,
      generated: tokens.length,
    }));
    const joined = joinCaches(this.layout.config, cache, used, fresh, Math.max(bucket, ...needed));
    live.forEach((row, index) => (row.source = index));
    return joined;
  }

  /** One run of the decode graph over the live rows. */
  private async chunk(
    prepared: Prepared,
    { tensors, past }: Cache,
    prompts: readonly Prompt[],
    live: readonly Row[],
    settings: GenerationSettings,
  ) {
    const sampling = settings.temperature > 0;
    const nucleus = settings.topP !== undefined && settings.topP < 1;
    const session = await prepared.decodeSession(!sampling ? 'greedy' : nucleus ? 'nucleus' : 'sample');
    const rows = Array.from(
      { length: Math.max(live.length, prepared.minRows) },
      (_, i) => live[i] ?? live[0]!,
    );
    // Rows that reach their end before the others generate on; what they add is left out.
    const shortest = Math.min(...live.map((row) => row.tokens.length));
    const trips = Math.min(CHUNK, settings.maxNewTokens - shortest);
    const mask = new Float32Array(rows.length * past);
    rows.forEach((row, i) => mask.fill(MASKED, i * past + row.cached, (i + 1) * past - row.tokens.length));
    const feeds: Tensors = {
      ...prepared.feeds,
      ...tensors,
      rows: int64(
        rows.map((row) => row.source),
        [rows.length],
      ),
      mask: tensor('float32', mask, [rows.length, 1, 1, past]),
      tokens: int64(
        rows.map((row) => row.last),
        [rows.length],
      ),
      positions: int64(
        rows.map((row) => row.cached + row.tokens.length),
        [rows.length, 1],
      ),
      done: tensor('bool', new Uint8Array(rows.length), [rows.length]),
      stops: int64(settings.stops, [1, settings.stops.length]),
      trips: int64([trips], []),
    };
    if (sampling) {
      feeds['uniforms'] = tensor('float32', drawUniforms(rows, prompts, trips, settings), [
        trips,
        rows.length,
        1,
      ]);
      if (nucleus) feeds['topP'] = tensor('float32', Float32Array.of(settings.topP!), []);
      feeds['inverseTemperature'] = tensor('float32', Float32Array.of(1 / settings.temperature), []);
    }
    const output = await session.run(
      Object.fromEntries(session.inputs.map(({ name }) => [name, feeds[name]!])),
    );
    const next: Tensors = {};
    for (let layer = 0; layer < this.layout.config.layers; layer++)
      for (const name of Object.values(cacheNames(layer))) next[name] = output[`${name}.next`]!;
    const steps = output['generated']!.dims[0]!;
    return {
      cache: { tensors: next, past: past + steps },
      rows: rows.length,
      steps,
      ids: output['generated']!.data as BigInt64Array,
      logps: output['logps']!.data as Float32Array,
    };
  }
}
