/** An engine whose supervisor stands still ends itself: the stage belongs to somebody else by then. */
import { EXIT, SUPERVISOR_SILENCE } from './job.js';

/** Looks within the limit, so that the end comes at most this share later. */
const LOOKS = 5;

/** Where the environment sets a limit, end the process once the supervisor was silent for so long. */
export function endWhenAbandoned(env: NodeJS.ProcessEnv = process.env): void {
  const limit = Number(env[SUPERVISOR_SILENCE]);
  if (!(limit > 0) || !process.send) return;
  let heard = performance.now();
  process.on('message', () => {
    heard = performance.now();
  });
  const timer = setInterval(() => {
    // A long step blocks the thread: what came meanwhile is read before the silence is measured.
    setImmediate(() =>
      setImmediate(() => {
        if (performance.now() - heard <= limit) return;
        process.stderr.write(`No word of the supervisor for ${Math.round(limit)} ms: the engine ends.\n`);
        process.exit(EXIT.failed);
      }),
    );
  }, limit / LOOKS);
  timer.unref();
}
