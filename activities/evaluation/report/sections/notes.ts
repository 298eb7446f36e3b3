import { count, percent } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { ReportData } from '../report-data.js';
import { averageWindow } from './training.js';

/** What the base model knew before any judgement was shown to it. */
export function taughtSection(data: ReportData): Html | false {
  if (data.taught.length === 0) return false;
  return html`<h2 id="taught">What the base model was taught</h2>
    <div class="note">${data.taught.map((paragraph) => html`<p>${paragraph}</p>`)}</div>`;
}

/** How each number was made: what follows from the data is said here, the rest comes with it. */
export function methodNotes(data: ReportData): string[] {
  const undecided = data.systems
    .map(({ label, accuracy }) => `${label} ${count(accuracy.overall.both + accuracy.overall.none)}`)
    .join(', ');
  const notes = [
    `Accuracy: each pair is judged in both orders (${data.protocol}), and each order counts as one judgement. A judgement is right if its text names the preferred answer as [[A]] or [[B]] and not the other; naming both or none is wrong (${undecided}).`,
    'Sections are the part of a category before “/”. The average is the mean of the sections, each of one weight, as in RewardBench; the tiles at the top count every judgement once.',
    'Intervals are 95 % Wilson score intervals at the effective sample size: the two orders of a pair, and the cells of one style prompt, are not independent, and the design effect measured on them shrinks the sample. The interval of an average joins those of its sections by square-and-add.',
  ];
  if (data.comparisons.length > 0)
    notes.push(
      'Comparisons join two systems by pair and order. The interval of the difference is Newcombe’s for paired proportions, at the effective sample size. McNemar’s test is exact and two-sided over judgements; the sign test is exact over whole pairs and does not take the two orders for independent.',
    );
  if (data.systems.some(({ matrix }) => matrix))
    notes.push(
      'Style matrix as in RM-Bench: row = style of the preferred answer, column = style of the rejected one. Easy is the mean of the cells below the diagonal, normal of the diagonal, hard of those above it.',
    );
  const steps = data.curves.grpo?.length ?? 0;
  if (steps > 0)
    notes.push(
      `Curves: one point an optimiser step (long ones are thinned by averaging neighbours). The GRPO reward is the mean of ±1 over all rollouts of a step, sampled, not greedy; its moving average spans ${averageWindow(steps)} steps.`,
    );
  if (data.distillation)
    notes.push(
      'Distillation: agreement is the share of pass-1 judgements whose last 100 characters name the label. The cost of a trace is all oracle spending over the traces kept; tokens as the provider counted them.',
    );
  return [...notes, ...(data.methods ?? [])];
}

/** What the numbers do not say. */
export function limitNotes(data: ReportData): string[] {
  const notes = [
    `All accuracies are about ${data.world.label}. They say nothing about other data.`,
    `One training run with one seed (${data.run.seed}). The intervals cover the choice of test items, not the chance in training; another seed gives other weights and other numbers.`,
  ];
  const last = data.systems.at(-1);
  if (last && last.unfinished > 0)
    notes.push(
      `${count(last.unfinished)} of ${count(last.accuracy.overall.total)} judgements of ${last.label} (${percent(last.unfinished / last.accuracy.overall.total)} %) were cut off by the token limit.`,
    );
  if (data.distillation && data.distillation.hintedShare > 0)
    notes.push(
      `${percent(data.distillation.hintedShare)} % of the traces were written with the label in view; such traces can argue towards a known end.`,
    );
  return [...notes, ...(data.limits ?? [])];
}

export function notesSection(data: ReportData): Html {
  return html`<h2 id="method">How each number was made</h2>
    <ul class="plain">
      ${methodNotes(data).map((note) => html`<li>${note}</li>`)}
    </ul>
    <h2 id="limits">Limits</h2>
    <ul class="plain">
      ${limitNotes(data).map((note) => html`<li>${note}</li>`)}
    </ul>
    <h2 id="recipe">Recipe</h2>
    <details class="card">
      <summary>The resolved recipe as JSON</summary>
      <pre><code>${JSON.stringify(data.recipe, null, 2)}</code></pre>
    </details>`;
}
