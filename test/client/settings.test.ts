import { describe, expect, it } from 'vitest';
import { parseOverrides, SHORT_OVERRIDES } from '../../client/overrides.js';
import { checkOracleKey, isLoopback } from '../../client/oracle-choice.js';
import { loadRecipe } from '../../recipes/load.js';

describe('--set', () => {
  it('reads YAML scalars and lists', () => {
    expect(
      parseOverrides(['a=5', 'b=1.0e-4', 'c=true', 'd=cosine', 'e=[base, sft]', 'f=', 'g=a=b', "h='7'"]),
    ).toEqual({ a: 5, b: 1e-4, c: true, d: 'cosine', e: ['base', 'sft'], f: null, g: 'a=b', h: '7' });
  });

  it('names every value that is no YAML at once', () => {
    expect(() => parseOverrides(['a=[', 'b=1', 'c={'])).toThrow(/a: '\['.*c: '\{'/);
  });
});

describe('--short', () => {
  it('fits the quickstart recipe', () => {
    expect(loadRecipe('quickstart', SHORT_OVERRIDES).grpo.steps).toBe(2);
  });
});

describe('the key of an oracle', () => {
  const { oracle } = loadRecipe('scratch');

  it('must be there before anything is uploaded', () => {
    expect(() => checkOracleKey(oracle, {})).toThrow(/OPENAI_API_KEY/);
  });

  it.each([
    ['it is set', oracle, { OPENAI_API_KEY: 'k' }],
    ['the oracle is local', { ...oracle, provider: 'local' as const }, {}],
    ['the endpoint is on this machine', { ...oracle, baseUrl: 'http://127.0.0.1:8000/v1' }, {}],
    ['the endpoint in the environment is', oracle, { OPENAI_BASE_URL: 'http://localhost:1/v1' }],
    ['workers elsewhere hold it', oracle, { TEMPORAL_ADDRESS: 'temporal.example:7233' }],
  ])('is not asked for where %s', (_, settings, env) => {
    expect(() => checkOracleKey(settings, env)).not.toThrow();
  });

  it('is not spared for hosts that only look local', () => {
    expect(isLoopback('http://127.0.0.1.example.com/v1')).toBe(false);
    expect(isLoopback('http://localhost.example.com/v1')).toBe(false);
    expect(isLoopback('http://[::1]:8080/v1')).toBe(true);
  });
});
