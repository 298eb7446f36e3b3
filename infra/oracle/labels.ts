/** Gold labels of pairs whose truth the service cannot know, by the content of the pair. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { Message, Position } from '../../judge/pair.js';

const pairSchema = z.object({
  conversation: z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })),
  chosen: z.string(),
  rejected: z.string(),
});

/** A line of a label file that is not a pair; `message` names the line. */
export class LabelError extends Error {}

/** Names a pair in one order; the swapped order has another name. */
export function pairKey(conversation: Message[], first: string, second: string): string {
  const turns = conversation.map(({ role, content }) => [role, content]);
  return createHash('sha256')
    .update(JSON.stringify([turns, first, second]))
    .digest('hex')
    .slice(0, 32);
}

export class LabelBook {
  /** Keys of (conversation, chosen, rejected). */
  readonly #known = new Set<string>();

  get size(): number {
    return this.#known.size;
  }

  add(conversation: Message[], chosen: string, rejected: string): void {
    this.#known.add(pairKey(conversation, chosen, rejected));
  }

  /** The gold verdict of a pair as it is shown; undefined where there is no label, or labels contradict each other. */
  gold(conversation: Message[], answerA: string, answerB: string): Position | undefined {
    const a = this.#known.has(pairKey(conversation, answerA, answerB));
    const b = this.#known.has(pairKey(conversation, answerB, answerA));
    if (a === b) return undefined;
    return a ? 'A' : 'B';
  }

  /**
   * Read JSONL: one pair a line with `conversation`, `chosen`, `rejected`. Nothing is added if a line is wrong.
   * @throws LabelError naming the line.
   */
  async read(lines: Readable): Promise<number> {
    const pairs: z.infer<typeof pairSchema>[] = [];
    let number = 0;
    for await (const line of createInterface({ input: lines, crlfDelay: Infinity })) {
      number += 1;
      if (line.trim() !== '') pairs.push(parseLine(line, number));
    }
    for (const { conversation, chosen, rejected } of pairs) this.add(conversation, chosen, rejected);
    return pairs.length;
  }

  async readFile(path: string): Promise<number> {
    const file = createReadStream(path, 'utf8');
    await new Promise((resolve, reject) => file.once('open', resolve).once('error', reject));
    return this.read(file);
  }
}

function parseLine(line: string, number: number): z.infer<typeof pairSchema> {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new LabelError(`Line ${String(number)} of the labels is not JSON.`);
  }
  const parsed = pairSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new LabelError(
    `Line ${String(number)} of the labels is not a pair: "${field}" is missing or wrong; a line needs conversation, chosen and rejected.`,
  );
}
