/** HH-RLHF transcripts: `\n\nHuman: …\n\nAssistant: …` (Bai et al. 2022), the oldest format of preference pairs. */
import type { Message } from '../../judge/pair.js';

const TURN = /(?:^\s*|\n\n)(Human|Assistant):/g;

/** True for text that opens with a speaker label. */
export function isTranscript(text: string): boolean {
  return /^\s*(Human|Assistant):/.test(text);
}

/**
 * Turns of a transcript, trimmed. Turns of one speaker in a row become one turn, so that speakers alternate.
 * A turn may be empty: the caller decides whether that is an error.
 */
export function parseTranscript(text: string): Message[] {
  const turns: Message[] = [];
  const marks = [...text.matchAll(TURN)];
  marks.forEach((mark, index) => {
    const content = text.slice(mark.index + mark[0].length, marks[index + 1]?.index).trim();
    const role = mark[1] === 'Human' ? 'user' : 'assistant';
    const last = turns.at(-1);
    if (last?.role === role) last.content = [last.content, content].filter(Boolean).join('\n\n');
    else turns.push({ role, content });
  });
  return turns;
}
