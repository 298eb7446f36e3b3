import { Context } from '@temporalio/activity';

const BEAT_MS = 2000;

/** `work` with heartbeats, however long one of its calls takes. */
export async function beating<T>(details: Record<string, unknown>, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => Context.current().heartbeat(details), BEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
