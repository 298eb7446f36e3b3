import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { GraphSession, SessionSettings } from '../onnx/session.js';
import { createSession } from '../onnx/session.js';

/** Loaded graphs by key; the least recently used one is released when there are too many. */
export class SessionCache {
  readonly #sessions = new Map<string, GraphSession>();

  constructor(
    private readonly settings: SessionSettings,
    private readonly capacity: number,
  ) {}

  /** The session under `key`, built where it is not loaded; the one that was not used for longest makes room. */
  async get(key: string, build: () => GraphBuilder): Promise<GraphSession> {
    const known = this.#sessions.get(key);
    if (known) {
      this.#sessions.delete(key);
      this.#sessions.set(key, known);
      return known;
    }
    const oldest = this.#sessions.keys().next();
    if (this.#sessions.size >= this.capacity && !oldest.done) {
      await this.#sessions.get(oldest.value)?.release();
      this.#sessions.delete(oldest.value);
    }
    const session = await createSession(build(), this.settings);
    this.#sessions.set(key, session);
    return session;
  }

  /** Free all sessions; the cache can be used again. */
  async release(): Promise<void> {
    for (const session of this.#sessions.values()) await session.release();
    this.#sessions.clear();
  }
}
