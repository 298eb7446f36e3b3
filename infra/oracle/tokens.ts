const TOKEN = /\w+|[^\s\w]/g;

/** Words and signs: what this service bills. */
export function countTokens(text: string): number {
  return text.match(TOKEN)?.length ?? 0;
}

/** The first `limit` tokens of `text`. */
export function cutTokens(text: string, limit: number): string {
  let seen = 0;
  for (const match of text.matchAll(TOKEN)) {
    seen += 1;
    if (seen === limit) return text.slice(0, match.index + match[0].length);
  }
  return text;
}
