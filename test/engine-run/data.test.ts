import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EpochOrder, supervisedStep, supervisedSteps } from '../../engine/data/epochs.js';
import { paddedLength, planMicroBatches } from '../../engine/data/micro-batches.js';
import { readGenerationPrompts, readGrpoPrompts } from '../../engine/data/prompts.js';
import { readSupervisedData } from '../../engine/data/supervised-data.js';
import { tinyModel } from './support/tiny-model.js';

const { tokenizer } = tinyModel();
const dir = mkdtempSync(join(tmpdir(), 'engine-data-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (...lines: unknown[]) => {
  const path = join(dir, 'data.jsonl');
  writeFileSync(path, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
  return path;
};
const limits = { maxLength: 20, promptLossWeight: 0.1 };

describe('supervised data', () => {
  it('puts loss on the completion and its end, the prompt weight on the prompt, none on the first token', () => {
    const [sample] = readSupervisedData(file({ id: 'a', prompt: 'judge A', completion: 'so [[A]]' }), tokenizer, limits);
    expect(tokenizer.decode(sample!.tokens, { keepSpecial: true })).toBe('judge A so [[A]] <end>');
    expect([...sample!.weights]).toEqual([0, Math.fround(0.1), 1, 1, 1]);
  });

  it('does not end a completion twice, and takes documents without a prompt', () => {
    const [ended, document] = readSupervisedData(
      file({ id: 'a', prompt: 'judge', completion: 'so <end>' }, '', { id: 'b', prompt: '', completion: 'so good' }),
      tokenizer,
      limits,
    );
    expect(tokenizer.decode(ended!.tokens, { keepSpecial: true })).toBe('judge so <end>');
    expect([...document!.weights]).toEqual([0, 1, 1]);
  });

  it('names file, line and field of what cannot be used', () => {
    const good = { id: 'a', prompt: 'judge', completion: 'so' };
    const read = (...lines: unknown[]) => () => readSupervisedData(file(...lines), tokenizer, limits);
    expect(read(good, '{"id": ')).toThrow(/data.jsonl, line 2: not valid JSON/);
    expect(read(good, '', { id: 'b', prompt: 'x' })).toThrow(/line 3: completion: /);
    expect(read({ ...good, completion: ' ' })).toThrow(/line 1 \(a\): completion is empty/);
    expect(read({ ...good, prompt: 'judge '.repeat(19) })).toThrow(/21 tokens \(prompt 19\) are more than maxLength 20/);
    expect(read('')).toThrow(/is empty: it needs at least one line/);
    expect(() => readSupervisedData(join(dir, 'none'), tokenizer, limits)).toThrow(/data file is missing/);
    expect(() => readSupervisedData(dir, tokenizer, limits)).toThrow(/is not a file/);
  });
});

describe('prompt files', () => {
  it('names what cannot be used', () => {
    const grpo = (line: object) => () => readGrpoPrompts(file(line), tokenizer, 3);
    expect(grpo({ id: 'a', prompt: 'judge', gold: 'C' })).toThrow(/line 1: gold: /);
    expect(grpo({ id: 'a', prompt: 'judge A B good', gold: 'A' })).toThrow(/4 tokens is longer than maxPromptTokens 3/);
    expect(grpo({ id: 'a', prompt: '', gold: 'A' })).toThrow(/prompt is empty/);
    const [prompt] = readGenerationPrompts(file({ id: 'a', prompt: 'judge A', extra: 1 }), tokenizer, 3);
    expect(prompt).toMatchObject({ id: 'a', tokens: tokenizer.encode('judge A') });
  });
});

describe('epochs', () => {
  it('visit every item once before any comes again, in another order each time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), fc.integer({ min: 1, max: 16 }), (count, seed, batchSize) => {
        const order = new EpochOrder(count, seed);
        const perEpoch = supervisedSteps(count, batchSize, 1);
        for (let epoch = 0; epoch < 3; epoch++) {
          const seen = Array.from({ length: perEpoch }, (_, i) =>
            supervisedStep(order, count, batchSize, epoch * perEpoch + i),
          ).flat();
          expect(seen.map((visit) => visit.item).sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
          expect(seen.every((visit) => visit.epoch === epoch)).toBe(true);
        }
      }),
    );
  });

  it('are the same from any step on, as after a resume', () => {
    const whole = new EpochOrder(7, 1).visits(0, 60);
    for (const start of [0, 5, 7, 33]) expect(new EpochOrder(7, 1).visits(start, 10)).toEqual(whole.slice(start, start + 10));
  });
});

describe('micro-batches', () => {
  it('hold every sequence once, within rows, length and memory', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 64, max: 4096 }), (sizes, maxTokens) => {
        const batches = planMicroBatches(sizes, { maxTokens, hiddenSize: 64 });
        expect(batches.flatMap((b) => b.members).sort((a, b) => a - b)).toEqual([...sizes.keys()]);
        for (const { rows, length, members } of batches) {
          expect(members.length).toBeLessThanOrEqual(rows);
          expect(Math.max(...members.map((i) => sizes[i]!))).toBeLessThanOrEqual(length);
          expect(rows === 1 || rows * length <= maxTokens).toBe(true);
          expect(Math.log2(rows) % 1).toBe(0);
        }
      }),
    );
  });

  it('need few shapes and little padding for a typical batch', () => {
    const sizes = Array.from({ length: 128 }, (_, i) => 40 + ((i * 37) % 60));
    const batches = planMicroBatches(sizes, { maxTokens: 4096, hiddenSize: 96 });
    const padded = batches.reduce((sum, b) => sum + b.rows * b.length, 0);
    expect(padded / sizes.reduce((a, b) => a + b)).toBeLessThan(1.35);
    expect(batches.length).toBeLessThan(8);
  });

  it('pad to multiples that widen with the length', () => {
    expect([1, 32, 33, 256, 257, 512, 513, 1025].map((n) => paddedLength(n))).toEqual([
      32, 32, 64, 256, 320, 512, 640, 1280,
    ]);
  });
});
