/** The inside of a `Contender` process in Node: one case in, then as much work as is asked for, JSON lines. */
import { createInterface } from 'node:readline';

export interface Ready {
  versions: Record<string, string>;
  parameters?: number;
  trained?: number;
  /** Does `count` units; what it returns goes into the answer. */
  work: (count: number) => Promise<Record<string, unknown>>;
}

/** Serve standard input until it ends. */
export async function serveContender<T>(prepare: (request: T) => Promise<Ready>): Promise<void> {
  const say = (answer: object): void => console.log(JSON.stringify(answer));
  let ready: Ready | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    if (!ready) {
      ready = await prepare(JSON.parse(line) as T);
      const { work: _, ...rest } = ready;
      say(rest);
      continue;
    }
    const began = performance.now();
    const given = await ready.work((JSON.parse(line) as { work: number }).work);
    say({ seconds: (performance.now() - began) / 1_000, ...given });
  }
}
