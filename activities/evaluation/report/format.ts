/** Numbers and names as people read them. */
import type { Interval } from '../../../benchmarks/index.js';

const MINUS = '\u2212';

/** 0.9731 → `97.3`. */
export function percent(share: number, digits = 1): string {
  return (100 * share).toFixed(digits);
}

/** An interval in percent: `96.3–98.1`. */
export function interval({ low, high }: Interval): string {
  return `${percent(low)}–${percent(high)}`;
}

/** A difference of shares in percentage points with its sign: `+2.3`. */
export function points(difference: number): string {
  const text = Math.abs(100 * difference).toFixed(1);
  if (Number(text) === 0) return '0.0';
  return (difference < 0 ? MINUS : '+') + text;
}

/** An interval of differences: `+0.4 to +4.1`. */
export function pointsInterval({ low, high }: Interval): string {
  return `${points(low)} to ${points(high)}`;
}

/** `0.022`, `< 0.001`. */
export function pValue(p: number): string {
  return p < 0.001 ? '<\u00a00.001' : p.toFixed(3);
}

/** 12345 → `12,345`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** 75.2 → `1 min 15 s`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${rest} s`;
}

/** `$0.0042`, `$1.20`; nothing spent is `$0`. */
export function usd(amount: number): string {
  if (amount === 0) return '$0';
  return `$${amount.toFixed(amount < 0.1 ? 5 : 2)}`;
}

/** Bytes in the unit that fits: `1.4 MB`. */
export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [size, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `2026-11-23 18:40 UTC`. */
export function timestamp(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** Section or category as a title: `chat-hard` → `Chat Hard`. */
export function titleOf(name: string): string {
  return name
    .split(/[-_\s]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(' ');
}

/** RewardBench's order of sections. */
const SECTION_ORDER = ['chat', 'chat-hard', 'safety', 'reasoning'];

/** Sections known from RewardBench first and in its order, the others by name. */
export function orderSections(names: Iterable<string>): string[] {
  const rank = (name: string): number => {
    const index = SECTION_ORDER.indexOf(name.toLowerCase());
    return index < 0 ? SECTION_ORDER.length : index;
  };
  return [...new Set(names)].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}
