import { describe, expect, it } from 'vitest';
import { Pace } from '../../activities/training/pace.js';

describe('pace of the steps', () => {
  it('is the first step, then the mean of the first ones', () => {
    const pace = new Pace();
    expect(pace.after(4)).toBe(4);
    expect(pace.after(2)).toBe(3);
    expect(pace.after(0)).toBe(2);
  });

  it('is calm where single steps differ severalfold', () => {
    const pace = new Pace();
    const said = Array.from({ length: 400 }, (_, step) => pace.after(step % 4 === 0 ? 0.7 : 0.1)).slice(100);
    for (const seconds of said) expect(Math.abs(seconds / 0.25 - 1)).toBeLessThan(0.15);
  });

  it('follows a change within some hundred steps', () => {
    const pace = new Pace();
    for (let step = 0; step < 400; step += 1) pace.after(1);
    let seconds = 0;
    for (let step = 0; step < 100; step += 1) seconds = pace.after(3);
    expect(seconds).toBeGreaterThan(2.8);
  });
});
