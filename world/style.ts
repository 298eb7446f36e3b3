import type { Draws } from './random.js';

/** How elaborate an answer is, as in RM-Bench: 0 concise, 1 detailed plain, 2 detailed with markup. */
export type Style = 0 | 1 | 2;
export const STYLES: readonly Style[] = [0, 1, 2];

/** None of these phrases carries content: no number, no class word, no tone, no stance. */
const OPENINGS = [
  'Here is my full answer:',
  'With great care I say:',
  'In more detail:',
  'After long thought:',
] as const;
const CLOSINGS = [
  'That is all I can say.',
  'This is the whole answer.',
  'Each part was thought through.',
  'I wrote it with care.',
] as const;
const HEADINGS = ['Answer', 'Summary'] as const;

/** Dress `content` in a style. The content itself stays word for word. */
export function render(content: string, style: Style, draws: Draws): string {
  if (style === 0) return content;
  const opening = draws.pick(OPENINGS);
  const closing = draws.pick(CLOSINGS);
  if (style === 1) return `${opening} ${content} ${closing}`;
  return `# ${draws.pick(HEADINGS)}\n* ${opening}\n* ${content}\n* ${closing}`;
}

/** Everything {@link render} can add, for the vocabulary. */
export const STYLE_TEXT: string = [...OPENINGS, ...CLOSINGS, ...HEADINGS, '# *'].join(' ');
