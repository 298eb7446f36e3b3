/**
 * The byte-level alphabet and word splitting of GPT-2: every byte has a printable character, so any text is a
 * sequence of known symbols, and a space stays with the word it precedes.
 */

/** Splits a text into contractions, words, numbers, punctuation and white space. */
export const WORD_PATTERN = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

function buildAlphabet(): string[] {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(printable(byte) ? byte : 256 + moved++),
  );
}

/** Character of each byte. */
export const BYTE_CHARACTERS: readonly string[] = buildAlphabet();

const encoder = new TextEncoder();

/** The byte-level spelling of a text. */
export function spellBytes(text: string): string {
  let spelled = '';
  for (const byte of encoder.encode(text)) spelled += BYTE_CHARACTERS[byte]!;
  return spelled;
}
