/** A key that an endpoint repeats in its error must not travel on into a history or a log. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { projectRoot } from '../../infra/environment.js';
import { redact, redactError } from '../../infra/secrets.js';
import { UserError } from '../../workflows/errors.js';

afterEach(() => vi.unstubAllEnvs());

test('secrets of the environment give way to their names, placeholders and other variables stay', () => {
  const env = {
    OPENAI_API_KEY: 'sk-planted-1234',
    HF_TOKEN: 'hf_planted',
    RMR1_ORACLE_KEY: 'none',
    PATH: '/usr/bin:/bin',
  };
  expect(redact('none of sk-planted-1234, hf_planted at /usr/bin:/bin', env)).toBe(
    'none of [OPENAI_API_KEY], [HF_TOKEN] at /usr/bin:/bin',
  );
});

test('an error is redacted to its last cause, and keeps its type', () => {
  vi.stubEnv('OPENAI_API_KEY', 'sk-planted-1234');
  const cause = new Error('POST with Bearer sk-planted-1234');
  const error = redactError(new UserError('OracleRejected', 'said: bad key sk-planted-1234', { cause }));
  expect(error).toMatchObject({ type: 'OracleRejected', message: 'said: bad key [OPENAI_API_KEY]' });
  expect(`${cause.stack}`).not.toContain('planted');
});

test("the workers' log shows none, wherever it stands", () => {
  const script = `
    const { logger } = await import(${JSON.stringify(join(projectRoot(), 'dist/workers/logger.js'))});
    logger.warn({ err: new Error('refused sk-planted-1234'), headers: { x: 'sk-planted-1234' } }, 'sk-planted-1234');`;
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, OPENAI_API_KEY: 'sk-planted-1234', RMR1_LOG_LEVEL: 'info' },
  });
  expect(stderr).toContain('[OPENAI_API_KEY]');
  expect(stderr).not.toContain('planted');
});
