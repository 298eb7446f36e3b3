/** An engine whose supervisor stands still ends itself: the stage belongs to somebody else by then. */
import { EXIT, SUPERVISOR_SILENCE } from './job.js';

/** Looks within the limit, so that the end comes at most this share later. */
const LOOKS = 5;

/** Where the environment sets a limit, end the process once the supervisor was silent for so long. */
export function endWhenAbandoned(env: NodeJS.ProcessEnv = process.env): void {
  const limit = Number(env[SUPERVISOR_SILENCE]);
  if (!(limit > 0) || !process.send) return;
  let heard = performance.now();
  let heardSinceLook = false;
  let quietLooks = 0;
  let looking = false;
  process.on('message', () => {
    heard = performance.now();
    heardSinceLook = true;
  });
  const look = (): void => {
    looking = false;
    quietLooks = heardSinceLook ? 0 : quietLooks + 1;
    heardSinceLook = false;
    // Making a session blocks the thread for longer than the limit: between two looks, what came meanwhile was read.
    if (quietLooks < 2 || performance.now() - heard <= limit) return;
    process.stderr.write(`No word of the supervisor for ${Math.round(limit)} ms: the engine ends.\n`);
    process.exit(EXIT.failed);
  };
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    setImmediate(look);
  }, limit / LOOKS);
  timer.unref();
}
