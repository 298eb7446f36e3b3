/** Ctrl-C, SIGTERM or a closed terminal: the first asks for an orderly end, the second for an immediate one. */
import { EXIT } from './exit-codes.js';

export interface Interrupt {
  /** Aborts with the first signal; `reason` is its name. */
  signal: AbortSignal;
  /** Exit code of what was received; undefined where nothing was. */
  exitCode(): number | undefined;
  /** Leave signals to Node again. */
  dispose(): void;
}

const EXIT_OF_SIGNAL: Partial<Record<NodeJS.Signals, number>> = {
  SIGINT: EXIT.interrupted,
  SIGTERM: EXIT.terminated,
  SIGHUP: EXIT.hungUp,
};
const SIGNALS = Object.keys(EXIT_OF_SIGNAL) as NodeJS.Signals[];

/** Listen for SIGINT, SIGTERM and SIGHUP. `onSecond` is called for every signal after the first. */
export function listenForInterrupt(onSecond: () => void = () => undefined): Interrupt {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  // One listener for each: an emitted signal, unlike a real one, does not come with its name.
  const listeners = SIGNALS.map((name) => {
    const listener = (): void => {
      if (received) return onSecond();
      received = name;
      controller.abort(name);
    };
    process.on(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    exitCode: () => (received === undefined ? undefined : EXIT_OF_SIGNAL[received]),
    dispose: () => {
      for (const { name, listener } of listeners) process.off(name, listener);
    },
  };
}
