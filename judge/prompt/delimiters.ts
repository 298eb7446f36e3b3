/**
 * Text that users wrote goes into prompts between tags of ours. A tag that occurs in such text gets a backslash
 * after its bracket (`<user>` → `<\user>`), so that no text can close its own section or open another one; escaping
 * is undone exactly by {@link TagSet.unescape}.
 */
export interface TagSet {
  /** Make `text` free of the set's tags. */
  escape: (text: string) => string;
  /** The inverse of `escape`. */
  unescape: (text: string) => string;
  /** Split `text` at the set's tags into what stands before the first one and one part for each tag. */
  split: (text: string) => { before: string; parts: { tag: string; text: string }[] };
}

/** A set of tags; `names` are literal, without brackets, for example `user`, `/user`. */
export function tagSet(names: readonly string[]): TagSet {
  const any = names.map((name) => name.replace(/[^\w]/g, '\\$&')).join('|');
  const bare = new RegExp(`<(\\\\*(?:${any})>)`, 'g');
  const escaped = new RegExp(`<\\\\(\\\\*(?:${any})>)`, 'g');
  const delimiter = new RegExp(`<(${any})>`);
  return {
    escape: (text) => text.replace(bare, '<\\$1'),
    unescape: (text) => text.replace(escaped, '<$1'),
    split: (text) => {
      // A capturing group makes `split` return the tags between the texts.
      const [before = '', ...rest] = text.split(delimiter);
      const parts = [];
      for (let i = 0; i + 1 < rest.length; i += 2)
        parts.push({ tag: rest[i] ?? '', text: rest[i + 1] ?? '' });
      return { before, parts };
    },
  };
}

/** `text` without the one character that the template put on either side; undefined if it is not there. */
export function unwrap(text: string, character: string): string | undefined {
  return text.length >= 2 && text.startsWith(character) && text.endsWith(character)
    ? text.slice(1, -1)
    : undefined;
}
