import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withStanding } from '../../client/live-activities.js';
import { renderBlock } from '../../client/progress/block.js';
import { ChangeLines } from '../../client/progress/change-lines.js';
import { colours } from '../../client/progress/style.js';
import type { RunProgress } from '../../workflows/messages.js';
import { STARTED_AT, training, waitingForCorrection } from './progress-samples.js';

const now = STARTED_AT + 61_000;

describe('the block of a terminal', () => {
  it('shows every stage with time, figures and results', () => {
    expect(renderBlock(training, { now, columns: 100 }).join('\n')).toMatchInlineSnapshot(`
      "quickstart-seed1 · running · 3/7 stages · $0.18
        ✓ dataset     0.7 s  train 6,000 · validation 400 · test 700
        ↺ base        0.1 s  made before, reused · steps 1,125 · loss 0.412
        ✓ distill     8.2 s  traces 1,411 · $0.18
        ▶ sft        1m 01s  ████░░░░░░░░░░░░ 120/480 · loss 0.412 · 8.1k tok/s · ETA 42 s
        · grpo               
        · evaluate           
        · report             "
    `);
  });

  it('says what is wrong and which command mends it', () => {
    const text = renderBlock(waitingForCorrection, { now, columns: 100 }).join(' ');
    expect(text).toContain('check OPENAI_API_KEY');
    expect(text).toContain('rmr1 correct quickstart-seed1');
  });

  it('says why a stage stands still', () => {
    const text = renderBlock(withStanding(training, { waits: 'waits for a free worker' }), {
      now,
      columns: 100,
    }).join('\n');
    expect(text).toMatch(/▶ sft +1m 01s +waits for a free worker$/m);
  });

  it('says what ended the attempt before', () => {
    const again = { attempt: 2, after: 'The sft engine was killed by SIGKILL.' };
    const lines = renderBlock(withStanding(training, { again }), { now, columns: 100 });
    expect(lines.at(-1)).toBe('sft, attempt 2: The sft engine was killed by SIGKILL.');
  });

  it('shows what ran when the run was cancelled as stopped, with no time that goes on', () => {
    const text = renderBlock({ ...training, state: 'cancelled' }, { now, columns: 100 }).join('\n');
    expect(text).toMatch(/■ sft +stopped$/m);
  });

  it('has no line wider than the terminal, which would break redrawing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 200 }), fc.string({ maxLength: 300 }), (columns, problem) => {
        const progress = {
          ...waitingForCorrection,
          problem: { ...waitingForCorrection.problem!, message: problem },
        };
        for (const line of renderBlock(progress, { now, columns })) {
          expect([...line].length).toBeLessThanOrEqual(columns);
          expect(line).not.toContain('\n');
        }
      }),
    );
  });

  it('cuts before it colours, so that no escape sequence is torn', () => {
    for (const line of renderBlock(training, { now, columns: 30, style: colours })) {
      const open = line.match(/\u001b\[\d+m/g)?.length ?? 0;
      expect(open % 2).toBe(0);
    }
  });
});

describe('the lines of a log', () => {
  it('say each change once', () => {
    const lines = new ChangeLines();
    expect(lines.next(training, 0)).toContain('distill: done in 8.2 s for $0.18 (traces 1,411)');
    expect(lines.next(training, 1_000)).toEqual([]);
  });

  it('give figures now and then, not at every look', () => {
    const lines = new ChangeLines();
    lines.next(training, 0);
    const printed = [];
    for (let second = 1; second <= 60; second += 1)
      printed.push(...lines.next(atStep(120 + second), second * 1000));
    expect(printed).toHaveLength(4);
    expect(printed[0]).toBe('sft: 135/480 · loss 0.412 · 8.1k tok/s · ETA 42 s');
  });

  it('say once why a stage stands still', () => {
    const lines = new ChangeLines();
    lines.next(training, 0);
    const waiting = withStanding(training, { waits: 'waits for a free worker' });
    expect(lines.next(waiting, 20_000)).toEqual(['sft: waits for a free worker']);
    expect(lines.next(waiting, 40_000)).toEqual([]);
    expect(lines.next(training, 60_000)).toEqual(['sft: 120/480 · loss 0.412 · 8.1k tok/s · ETA 42 s']);
  });

  it('say once what ended the attempt before', () => {
    const lines = new ChangeLines();
    lines.next(training, 0);
    const again = { attempt: 2, after: 'The sft engine was killed by SIGKILL.' };
    const resumed = withStanding(training, { again });
    expect(lines.next(resumed, 1_000)).toEqual(['sft, attempt 2: The sft engine was killed by SIGKILL.']);
    expect(lines.next(resumed, 2_000)).toEqual([]);
    expect(lines.next(training, 3_000)).toEqual([]);
  });

  it('say that a cancelled run has stopped its stage', () => {
    const lines = new ChangeLines();
    lines.next(training, 0);
    const cancelled: RunProgress = { ...training, state: 'cancelled' };
    expect(lines.next(cancelled, 1_000)).toEqual(['sft: stopped', 'quickstart-seed1 is cancelled']);
    expect(lines.next(cancelled, 2_000)).toEqual([]);
  });

  it('tell a person what to do when the run waits', () => {
    const lines = new ChangeLines();
    lines.next(training, 0);
    const said = lines.next(waitingForCorrection, 1_000);
    expect(said).toHaveLength(2);
    expect(said[0]).toContain('distill: failed');
    expect(said[1]).toContain('rmr1 correct');
  });
});

function atStep(step: number): RunProgress {
  return {
    ...training,
    stages: training.stages.map((stage) =>
      stage.name === 'sft' ? { ...stage, figures: { ...stage.figures!, step } } : stage,
    ),
  };
}
