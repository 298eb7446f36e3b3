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
  const listener = (name: NodeJS.Signals): void => {
    if (received) return onSecond();
    received = name;
    controller.abort(name);
  };
  for (const name of SIGNALS) process.on(name, listener);
  return {
    signal: controller.signal,
    exitCode: () =>
      received === undefined ? undefined : received === 'SIGINT' ? EXIT.interrupted : EXIT.terminated,
    dispose: () => {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
}
