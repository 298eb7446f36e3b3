/** One stage's figures as short pieces of text. */
import type { RunProgress, StageFigures, StageProgress } from '../../workflows/messages.js';
import { formatCount, formatDuration, formatShare } from './format.js';

/** `120/480 · loss 0.412 · 8.1k tok/s · ETA 42 s`, with what the stage reports. */
export function figuresText(figures: StageFigures): string {
  const { step, total, loss, reward, kl, accuracy, tokensPerSecond } = figures;
  const eta = etaOf(figures);
  return [
    total > 0 ? `${step}/${total}` : '',
    loss === undefined ? '' : `loss ${loss.toFixed(3)}`,
    reward === undefined ? '' : `reward ${reward >= 0 ? '+' : '−'}${Math.abs(reward).toFixed(2)}`,
    kl === undefined ? '' : `KL ${kl.toFixed(4)}`,
    accuracy === undefined ? '' : `accuracy ${formatShare(accuracy)}${intervalText(figures)}`,
    tokensPerSecond === undefined ? '' : `${formatCount(tokensPerSecond)} tok/s`,
    eta === undefined ? '' : `ETA ${formatDuration(eta)}`,
  ]
    .filter(Boolean)
    .join(' · ');
}

/** ` (71.2 %–77.9 %)`, where the interval is known. */
function intervalText({ low, high }: StageFigures): string {
  return low === undefined || high === undefined ? '' : ` (${formatShare(low)}–${formatShare(high)})`;
}

/** Seconds to the end of the stage; none before its first step and after its last. */
export function etaOf({ step, total, etaSeconds }: StageFigures): number | undefined {
  if (step <= 0 || step >= total || etaSeconds === undefined) return undefined;
  return Number.isFinite(etaSeconds) && etaSeconds >= 0 ? etaSeconds : undefined;
}

/** The run is over; a stage that it shows as running was stopped with it. */
export function hasEnded({ state }: RunProgress): boolean {
  return state === 'completed' || state === 'failed' || state === 'rejected' || state === 'cancelled';
}

/** Wall time of a stage: what its workflow measured, else the time since it began. */
export function secondsOf({ state, seconds, startedAt }: StageProgress, now: number): number | undefined {
  if (seconds !== undefined) return seconds;
  if (state !== 'running' || startedAt === undefined) return undefined;
  return Math.max(0, (now - Date.parse(startedAt)) / 1000);
}

const SHOWN_METRICS = 3;

/** The first metrics of a finished stage: `accuracy.grpo 0.957 · traces 1,412`. */
export function metricsText(metrics: Record<string, number> | undefined): string {
  return Object.entries(metrics ?? {})
    .slice(0, SHOWN_METRICS)
    .map(
      ([name, value]) =>
        `${name} ${Number.isInteger(value) ? value.toLocaleString('en-US') : Number(value.toPrecision(3))}`,
    )
    .join(' · ');
}
