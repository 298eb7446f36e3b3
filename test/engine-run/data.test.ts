import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EpochOrder, supervisedStep, supervisedSteps } from '../../engine/data/epochs.js';
import { packSequences, rowLength } from '../../engine/data/packing.js';
import { readGenerationPrompts, readGrpoPrompts } from '../../engine/data/prompts.js';
import { readSupervisedData } from '../../engine/data/supervised-data.js';
import { tinyModel } from './support/tiny-model.js';

const { tokenizer } = tinyModel();
const dir = mkdtempSync(join(tmpdir(), 'engine-data-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = (...lines: unknown[]) => {
  const path = join(dir, 'data.jsonl');
  writeFileSync(
    path,
    lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
  );
  return path;
};
const limits = { maxLength: 20, promptLossWeight: 0.1 };

describe('supervised data', () => {
  it('puts loss on the completion and its end, the prompt weight on the prompt, none on the first token', () => {
    const [sample] = readSupervisedData(
      file({ id: 'a', prompt: 'judge A', completion: 'so [[A]]' }),
      tokenizer,
      limits,
    );
    expect(tokenizer.decode(sample!.tokens, { keepSpecial: true })).toBe('judge A so [[A]] <end>');
    expect([...sample!.weights]).toEqual([0, Math.fround(0.1), 1, 1, 1]);
  });

  it('does not end a completion twice, and takes documents without a prompt', () => {
    const [ended, document] = readSupervisedData(
      file({ id: 'a', prompt: 'judge', completion: 'so <end>' }, '', {
        id: 'b',
        prompt: '',
        completion: 'so good',
      }),
      tokenizer,
      limits,
    );
    expect(tokenizer.decode(ended!.tokens, { keepSpecial: true })).toBe('judge so <end>');
    expect([...document!.weights]).toEqual([0, 1, 1]);
  });

  it('names file, line and field of what cannot be used', () => {
    const good = { id: 'a', prompt: 'judge', completion: 'so' };
    const read =
      (...lines: unknown[]) =>
      () =>
        readSupervisedData(file(...lines), tokenizer, limits);
    expect(read(good, '{"id": ')).toThrow(/data.jsonl, line 2: not valid JSON/);
    expect(read(good, '', { id: 'b', prompt: 'x' })).toThrow(/line 3: completion: /);
    expect(read({ ...good, completion: ' ' })).toThrow(/line 1 \(a\): completion is empty/);
    expect(read({ ...good, prompt: 'judge '.repeat(19) })).toThrow(
      /21 tokens \(prompt 19\) are more than maxLength 20/,
    );
    expect(read('')).toThrow(/is empty: it needs at least one line/);
    expect(() => readSupervisedData(join(dir, 'none'), tokenizer, limits)).toThrow(/data file is missing/);
    expect(() => readSupervisedData(dir, tokenizer, limits)).toThrow(/is not a file/);
  });
});

describe('prompt files', () => {
  it('names what cannot be used', () => {
    const grpo = (line: object) => () => readGrpoPrompts(file(line), tokenizer, 3);
    expect(grpo({ id: 'a', prompt: 'judge', gold: 'C' })).toThrow(/line 1: gold: /);
    expect(grpo({ id: 'a', prompt: 'judge A B good', gold: 'A' })).toThrow(
      /4 tokens is longer than maxPromptTokens 3/,
    );
    expect(grpo({ id: 'a', prompt: '', gold: 'A' })).toThrow(/prompt is empty/);
    const [prompt] = readGenerationPrompts(file({ id: 'a', prompt: 'judge A', extra: 1 }), tokenizer, 3);
    expect(prompt).toMatchObject({ id: 'a', tokens: tokenizer.encode('judge A') });
  });
});

describe('epochs', () => {
  it('visit every item once before any comes again, in another order each time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        fc.integer({ min: 1, max: 16 }),
        (count, seed, batchSize) => {
          const order = new EpochOrder(count, seed);
          const perEpoch = supervisedSteps(count, batchSize, 1);
          for (let epoch = 0; epoch < 3; epoch++) {
            const seen = Array.from({ length: perEpoch }, (_, i) =>
              supervisedStep(order, count, batchSize, epoch * perEpoch + i),
            ).flat();
            expect(seen.map((visit) => visit.item).sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
            expect(seen.every((visit) => visit.epoch === epoch)).toBe(true);
          }
        },
      ),
    );
  });

  it('are the same from any step on, as after a resume', () => {
    const whole = new EpochOrder(7, 1).visits(0, 60);
    for (const start of [0, 5, 7, 33])
      expect(new EpochOrder(7, 1).visits(start, 10)).toEqual(whole.slice(start, start + 10));
  });
});

describe('packing', () => {
  const sizes = fc.array(fc.integer({ min: 2, max: 700 }), { minLength: 1, maxLength: 60 });

  it('places every sequence once, without overlap, within rows and memory', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 128, max: 4096 }), (sequences, maxTokens) => {
        const batches = packSequences(sequences, maxTokens);
        const placed = batches.flatMap((b) => b.placements.map((p) => p.sequence));
        expect(placed.sort((a, b) => a - b)).toEqual([...sequences.keys()]);
        for (const { rows, length, placements } of batches) {
          expect(rows === 1 || rows * length <= maxTokens).toBe(true);
          for (let row = 0; row < rows; row++) {
            const own = placements.filter((p) => p.row === row).sort((a, b) => a.offset - b.offset);
            expect(own.length).toBeGreaterThan(0);
            let end = 0;
            for (const { sequence, offset } of own) {
              expect(offset).toBe(end);
              end += sequences[sequence]!;
            }
            expect(end).toBeLessThanOrEqual(length);
          }
        }
      }),
    );
  });

  it('wastes little and needs few shapes for a typical batch', () => {
    const sequences = Array.from({ length: 128 }, (_, i) => 40 + ((i * 37) % 60));
    const batches = packSequences(sequences, 1100);
    const used = sequences.reduce((sum, tokens) => sum + tokens, 0);
    expect(batches.reduce((sum, b) => sum + b.rows * b.length, 0) / used).toBeLessThan(1.15);
    expect(new Set(batches.map((b) => `${b.rows} ${b.length}`)).size).toBeLessThan(4);
  });

  it('has rows of 128, 192, 256, 384, … positions', () => {
    expect([1, 128, 129, 193, 257, 385, 700, 5000].map(rowLength)).toEqual([
      128, 128, 192, 256, 384, 512, 768, 6144,
    ]);
  });
});
