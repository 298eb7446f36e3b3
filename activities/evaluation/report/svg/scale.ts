/** Linear scales with readable ticks. */
export interface Scale {
  /** Position of a value on the axis. */
  at: (value: number) => number;
  ticks: number[];
  /** A tick as text, with the digits the step needs. */
  label: (value: number) => string;
}

/**
 * Scale [low, high] on to [from, to], widened to round numbers (steps of 1, 2 or 5 × 10ⁿ, about `wanted` of them).
 */
export function niceScale(low: number, high: number, from: number, to: number, wanted = 4): Scale {
  const span = Math.max(high > low ? high - low : Math.abs(high) || 1, 1e-12);
  const rough = span / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  const [bottom, top] = [first * step, last * step];
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return {
    at: (value) => from + ((value - bottom) / (top - bottom)) * (to - from),
    ticks,
    label: (value) => plain(value, digits),
  };
}

/** The same with fixed ends, for axes such as 0–100 %. */
export function fixedScale(low: number, high: number, from: number, to: number, step: number): Scale {
  const ticks = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, index) => low + index * step);
  return {
    at: (value) => from + ((value - low) / (high - low)) * (to - from),
    ticks,
    label: (value) => plain(value, 0),
  };
}

function plain(value: number, digits: number): string {
  if (Math.abs(value) >= 10_000) return `${+(value / 1000).toFixed(1)}k`;
  const text = value.toFixed(Math.min(6, digits));
  return (Number(text) === 0 ? text.replace('-', '') : text).replace('-', '\u2212');
}
