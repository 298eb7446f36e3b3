import { describe, expect, it } from 'vitest';
import { parseFlags } from '../../infra/oracle/flags.js';

describe('flags of the oracle service', () => {
  it('have working defaults', () => {
    expect(parseFlags([])).toEqual({
      port: 0,
      seed: 1,
      errorRate: 0.25,
      latencyMs: 0,
      batch: { durationMs: 1000 },
      faults: [],
    });
  });

  it('read faults by rate', () => {
    const { faults } = parseFlags(['--fault', 'rate-limit:0.1', '--fault', 'cut:0.02', '--seed', '3']);
    expect(faults).toMatchObject([
      { kind: 'rate-limit', rate: 0.1, seed: 3 },
      { kind: 'cut', rate: 0.02, seed: 3 },
    ]);
  });

  it.each([
    [['--error-rate', '2'], /--error-rate must be a number from 0 to 1/],
    [['--error-rate', ''], /--error-rate/],
    [['--port', '1.5'], /--port must be a whole number/],
    [['--fault', 'flood:0.1'], /KIND:RATE/],
    [['--fault', 'cut'], /KIND:RATE/],
    [['--speed', '1'], /--speed/],
  ])('refuse %j', (args, message) => {
    expect(() => parseFlags(args)).toThrow(message);
  });
});
