/** The log of oracle answers against a plain map, under commands in any order, crashes among them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerCache, runPrefix } from '../../activities/oracle/answer-cache.js';
import { Journal } from '../../activities/oracle/journal.js';
import type { OracleAnswer } from '../../activities/oracle/segment.js';
import { tally } from '../../activities/oracle/tally.js';
import { MemoryStore } from './memory-store.js';

const WORST = 1;
const RUN = 'run';

interface Model {
  /** Answers that were acknowledged, by question. */
  answers: Map<string, OracleAnswer>;
  asked: number;
  released: number;
  paid: number;
  /** Questions on record in the present attempt that are neither answered nor released. */
  open: Set<string>;
}
interface Real {
  store: MemoryStore;
  /** Two workers over one store. */
  caches: AnswerCache[];
  journal: Journal;
  attempt: number;
}

function begin(real: Pick<Real, 'store' | 'caches'>, attempt: number, commitEveryMs = 0): Journal {
  const writer = { run: RUN, activity: 'shard', attempt, stage: 'distill', model: 'm', pass: 1 };
  return new Journal(real.caches[attempt % 2]!, writer, commitEveryMs);
}

const answerOf = (key: string, usd: number): OracleAnswer => ({
  text: `“${key}”\u2028 has\na verdict [[A]] ${'…'.repeat(Math.round(usd * 20))}`,
  finishReason: 'stop',
  inputTokens: key.length,
  outputTokens: Math.round(usd * 100),
  usd,
  paidBy: RUN,
});

type LogCommand = fc.AsyncCommand<Model, Real>;

class Ask implements LogCommand {
  constructor(readonly key: string) {}
  check = ({ answers, open }: Readonly<Model>) => !answers.has(this.key) && !open.has(this.key);
  async run(model: Model, real: Real) {
    await real.journal.asked(this.key, WORST);
    model.asked += 1;
    model.open.add(this.key);
  }
  toString = () => `ask(${this.key})`;
}
class Answer implements LogCommand {
  constructor(
    readonly key: string,
    readonly usd: number,
  ) {}
  check = ({ open }: Readonly<Model>) => open.has(this.key);
  async run(model: Model, real: Real) {
    const answer = answerOf(this.key, this.usd);
    await real.journal.answered(this.key, answer);
    model.open.delete(this.key);
    model.answers.set(this.key, answer);
    model.paid += this.usd;
  }
  toString = () => `answer(${this.key}, ${this.usd})`;
}
class Release implements LogCommand {
  constructor(readonly key: string) {}
  check = ({ open }: Readonly<Model>) => open.has(this.key);
  async run(model: Model, real: Real) {
    await real.journal.released(this.key);
    model.open.delete(this.key);
    model.released += 1;
  }
  toString = () => `release(${this.key})`;
}
/** The worker dies while answers are on their way to the store; another one takes over. */
class Crash implements LogCommand {
  constructor(readonly lost: readonly string[]) {}
  check = () => true;
  async run(model: Model, real: Real) {
    real.store.onPut = () => Promise.reject(new Error('crash'));
    const lost = this.lost.filter((key) => model.open.has(key));
    const writes = await Promise.allSettled(
      lost.map((key) => real.journal.answered(key, answerOf(key, WORST))),
    );
    expect(writes.every(({ status }) => status === 'rejected')).toBe(true);
    real.store.onPut = () => undefined;
    model.open.clear();
    real.attempt += 1;
    real.caches[real.attempt % 2] = new AnswerCache(real.store);
    real.journal = begin(real, real.attempt);
  }
  toString = () => `crash(${this.lost.join()})`;
}
/** Both workers, after a look, know every acknowledged answer and no other; the tally is what the provider could bill. */
class Look implements LogCommand {
  check = () => true;
  async run(model: Model, real: Real) {
    for (const cache of real.caches) {
      await cache.refresh({ now: true });
      const found = await cache.getMany(KEYS);
      expect(found).toEqual(model.answers);
    }
    const [entry] = tally(await real.caches[0]!.headers(runPrefix(RUN)));
    if (!entry) return expect(model.asked).toBe(0);
    const unanswered = model.asked - model.released - model.answers.size;
    expect(entry).toMatchObject({ calls: model.answers.size, unanswered: { calls: unanswered } });
    expect(entry.usd).toBeCloseTo(model.paid, 9);
    expect(entry.unanswered.usd).toBeCloseTo(unanswered * WORST, 9);
  }
  toString = () => 'look';
}

const KEYS = Array.from({ length: 6 }, (_, index) => String(index).repeat(64));
const key = fc.constantFrom(...KEYS);
const usd = fc.integer({ min: 0, max: 100 }).map((cents) => cents / 100);

describe('the log of oracle answers', () => {
  it('keeps every acknowledged answer, no other, and the price of what may have been lost', async () => {
    const commands = [
      key.map((k) => new Ask(k)),
      key.map((k) => new Ask(k)),
      fc.tuple(key, usd).map(([k, u]) => new Answer(k, u)),
      key.map((k) => new Release(k)),
      fc.subarray(KEYS).map((lost) => new Crash(lost)),
      fc.constant(new Look()),
    ];
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 40 }), async (list) => {
        const setup = () => {
          const store = new MemoryStore();
          const caches = [new AnswerCache(store), new AnswerCache(store)];
          const real: Real = { store, caches, journal: begin({ store, caches }, 1), attempt: 1 };
          return {
            model: { answers: new Map(), asked: 0, released: 0, paid: 0, open: new Set<string>() },
            real,
          };
        };
        await fc.asyncModelRun(setup, [...list, new Look()]);
      }),
      { numRuns: 100 },
    );
  });

  it('shares a segment among records that come in together, and none is acknowledged before it is stored', async () => {
    const store = new MemoryStore();
    const journal = begin({ store, caches: [new AnswerCache(store), new AnswerCache(store)] }, 1, 20);
    const acknowledged: string[] = [];
    const all = Array.from({ length: 200 }, (_, index) => `${index}`.padStart(64, '0'));
    await Promise.all(
      all.map(async (k) => {
        await journal.answered(k, answerOf(k, 0.5));
        acknowledged.push(k);
        const stored = [...store.segments.values()].some((bytes) => bytes.includes(k));
        expect(stored).toBe(true);
      }),
    );
    expect(acknowledged).toHaveLength(200);
    expect(store.segments.size).toBeLessThanOrEqual(3);
  });
});

describe('a later attempt', () => {
  const two = (store: MemoryStore) => {
    const caches = [new AnswerCache(store), new AnswerCache(store)];
    return { zombie: begin({ store, caches }, 1), later: begin({ store, caches }, 2), cache: caches[0]! };
  };

  it('ends the log of the one before: what was not on record by then is never sent', async () => {
    const { zombie, later, cache } = two(new MemoryStore());
    await zombie.asked(KEYS[0]!, WORST);
    await cache.sealEarlier(later.writer);
    await cache.sealEarlier(later.writer);
    await expect(zombie.asked(KEYS[1]!, WORST)).rejects.toMatchObject({ type: 'Fenced' });
    await expect(zombie.answered(KEYS[0]!, answerOf(KEYS[0]!, 1))).rejects.toMatchObject({ type: 'Fenced' });
    await later.asked(KEYS[1]!, WORST);
    const [entry] = tally(await cache.headers(runPrefix(RUN)));
    expect(entry).toMatchObject({ calls: 0, unanswered: { calls: 2 } });
  });

  it('does not take a write whose answer was lost for its own end', async () => {
    const store = new MemoryStore();
    const { zombie, cache } = two(store);
    const put = store.putSegment.bind(store);
    store.putSegment = async (...given) => {
      await put(...given);
      throw new Error('the answer was lost');
    };
    await expect(zombie.asked(KEYS[0]!, WORST)).rejects.toThrow('lost');
    store.putSegment = put;
    await zombie.asked(KEYS[1]!, WORST);
    const [entry] = tally(await cache.headers(runPrefix(RUN)));
    expect(entry).toMatchObject({ unanswered: { calls: 2 } });
  });
});
