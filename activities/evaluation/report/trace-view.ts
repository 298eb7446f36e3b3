/** A judgement's text as people read it: Chain-of-Rubrics tags become labelled blocks, everything else stays text. */
import { html } from './html.js';
import type { Html } from './html.js';

/** A piece of a judgement: plain text, or the content of a tag. */
export type TracePart =
  { tag?: undefined; text: string } | { tag: TraceTag; closed: boolean; parts: TracePart[] };

const TAGS = [
  'type',
  'rubric',
  'justify',
  'solution',
  'eval',
  'answer',
  'quote_A',
  'quote_B',
  'summary_A',
  'summary_B',
] as const;
export type TraceTag = (typeof TAGS)[number];

const MARK = new RegExp(`<(/?)(${TAGS.join('|')})>`, 'g');

/**
 * Take a judgement apart by its tags. Never fails and never loses text: a closing tag without an opening one stays
 * text, and a tag that is not closed ends where the tag around it ends.
 */
export function traceParts(text: string): TracePart[] {
  const root: TracePart[] = [];
  const open: { tag: TraceTag; closed: boolean; parts: TracePart[] }[] = [];
  const here = (): TracePart[] => open.at(-1)?.parts ?? root;
  const addText = (piece: string): void => {
    const last = here().at(-1);
    if (last && last.tag === undefined) last.text += piece;
    else if (piece !== '') here().push({ text: piece });
  };
  let end = 0;
  for (const match of text.matchAll(MARK)) {
    addText(text.slice(end, match.index));
    end = match.index + match[0].length;
    const tag = match[2] as TraceTag;
    if (match[1] === '') {
      const part = { tag, closed: false, parts: [] };
      here().push(part);
      open.push(part);
      continue;
    }
    const opened = open.findLastIndex((part) => part.tag === tag);
    if (opened < 0) addText(match[0]);
    else {
      open.splice(opened)[0]!.closed = true;
    }
  }
  addText(text.slice(end));
  return root;
}

const BLOCKS: Partial<Record<TraceTag, string>> = {
  rubric: 'Rubric',
  solution: 'Own solution',
  eval: 'Evaluation',
};

/** The judgement as markup. */
export function traceView(text: string): Html {
  const parts = traceParts(text.trim());
  if (parts.length === 0) return html`<p class="muted">(empty output)</p>`;
  return html`<div class="trace">${parts.map(viewPart)}</div>`;
}

function viewPart(part: TracePart): Html | null {
  if (part.tag === undefined)
    return part.text.trim() === '' ? null : html`<p class="pre">${part.text.trim()}</p>`;
  const { tag, parts, closed } = part;
  const cut = !closed && html`<span class="muted" title="the tag is not closed"> …</span>`;
  const label = BLOCKS[tag];
  if (label !== undefined)
    return html`<div class="block">
      <h5>${label}</h5>
      <div>${innerOf(parts)}${cut}</div>
    </div>`;
  if (tag === 'type')
    return html`<div class="block">
      <h5>Kind of task</h5>
      <div>${innerOf(parts)}${cut}</div>
    </div>`;
  if (tag === 'answer')
    return html`<div class="block">
      <h5>Verdict</h5>
      <div><b>${innerOf(parts)}</b>${cut}</div>
    </div>`;
  return html`<p>${viewInner(part)}</p>`;
}

/** The content of a tag without the white space at its ends. */
function innerOf(parts: readonly TracePart[]): Html[] {
  return parts.map((part, index) => {
    if (part.tag !== undefined) return viewInner(part);
    const start = index === 0 ? part.text.trimStart() : part.text;
    return viewInner({ text: index === parts.length - 1 ? start.trimEnd() : start });
  });
}

/** Inside a block: quotes and summaries keep the answer they speak of, justifications stand apart. */
function viewInner(part: TracePart): Html {
  if (part.tag === undefined) return html`<span class="pre">${part.text}</span>`;
  const inner = innerOf(part.parts);
  switch (part.tag) {
    case 'quote_A':
    case 'quote_B':
      return html`<q class="cite">${citation(part.tag)}${inner}</q>`;
    case 'summary_A':
    case 'summary_B':
      return html`<span class="cite">${citation(part.tag)}${inner}</span>`;
    case 'justify':
      return html`<span class="justify"><i>because</i> ${inner}</span>`;
    default:
      return html`<span class="block-inline"><i>${part.tag}</i> ${inner}</span>`;
  }
}

function citation(tag: string): Html {
  return html`<b class="who">${tag.slice(-1)}</b>`;
}
