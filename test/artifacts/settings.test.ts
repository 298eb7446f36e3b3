/** A variable that is misread sends a run's artefacts to another bucket, or nowhere. */
import { describe, expect, test } from 'vitest';
import { settingsFromEnvironment } from '../../activities/artifacts/settings.js';

describe('settings from the environment', () => {
  test('point at a self-hosted store with its keys', () => {
    expect(
      settingsFromEnvironment({
        RMR1_S3_ENDPOINT: 'http://127.0.0.1:8333',
        RMR1_S3_BUCKET: 'b',
        RMR1_S3_PREFIX: 'team/',
        AWS_ACCESS_KEY_ID: 'k',
        AWS_SECRET_ACCESS_KEY: 's',
      }),
    ).toEqual({
      endpoint: 'http://127.0.0.1:8333',
      bucket: 'b',
      prefix: 'team/',
      region: 'us-east-1',
      forcePathStyle: true,
      accessKeyId: 'k',
      secretAccessKey: 's',
    });
  });

  test('leave temporary and profile credentials to the standard chain', () => {
    const settings = settingsFromEnvironment({
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'k',
      AWS_SECRET_ACCESS_KEY: 's',
      AWS_SESSION_TOKEN: 't',
    });
    expect(settings).toEqual({ bucket: 'rmr1', region: 'eu-west-1', forcePathStyle: false });
  });

  test('that cannot be used are named', () => {
    expect(() => settingsFromEnvironment({ RMR1_S3_ENDPOINT: '127.0.0.1:8333' })).toThrow(
      /RMR1_S3_ENDPOINT.*http/,
    );
    expect(() => settingsFromEnvironment({ RMR1_S3_PATIENCE_MS: 'long' })).toThrow(/RMR1_S3_PATIENCE_MS/);
  });

  test('take the first endpoint and region that is named, and the path style that goes with it', () => {
    const of = (env: Record<string, string>) => settingsFromEnvironment(env);
    const endpoints = {
      RMR1_S3_ENDPOINT: 'http://one',
      AWS_ENDPOINT_URL_S3: 'https://two',
      AWS_ENDPOINT_URL: 'http://three',
    };
    expect(of(endpoints)).toMatchObject({ endpoint: 'http://one', forcePathStyle: true });
    expect(of({ ...endpoints, RMR1_S3_ENDPOINT: '' }).endpoint).toBe('https://two');
    expect(of({ AWS_ENDPOINT_URL: 'http://three' }).endpoint).toBe('http://three');
    expect(of({ RMR1_S3_ENDPOINT: '' })).toEqual(of({}));
    expect(of({ AWS_REGION: 'a', AWS_DEFAULT_REGION: 'b' }).region).toBe('a');
    expect(of({ AWS_DEFAULT_REGION: 'b' }).region).toBe('b');
    expect(of({ ...endpoints, RMR1_S3_PATH_STYLE: 'false' }).forcePathStyle).toBe(false);
    expect(of({ RMR1_S3_PATH_STYLE: 'true' }).forcePathStyle).toBe(true);
  });

  test('take half a key for none', () => {
    expect(settingsFromEnvironment({ AWS_ACCESS_KEY_ID: 'k' })).not.toHaveProperty('accessKeyId');
    expect(settingsFromEnvironment({ AWS_SECRET_ACCESS_KEY: 's' })).not.toHaveProperty('secretAccessKey');
  });

  test('say how long to be patient and how to encrypt', () => {
    expect(settingsFromEnvironment({ RMR1_S3_PATIENCE_MS: '1500', RMR1_S3_SSE: 'aws:kms' })).toMatchObject({
      patienceMs: 1500,
      serverSideEncryption: 'aws:kms',
    });
  });

  test.each([
    [
      { RMR1_S3_ENDPOINT: 'http:///' },
      'RMR1_S3_ENDPOINT is "http:///", which is not a URL. Use the form http://127.0.0.1:8333.',
    ],
    [
      { AWS_ENDPOINT_URL: 'ftp://http://x' },
      'RMR1_S3_ENDPOINT is "ftp://http://x", which is not a URL. Use the form http://127.0.0.1:8333.',
    ],
    [
      { RMR1_S3_PATIENCE_MS: '45 s' },
      'RMR1_S3_PATIENCE_MS is "45 s". Use whole milliseconds, such as 45000.',
    ],
    [{ RMR1_S3_PATIENCE_MS: '-45' }, 'RMR1_S3_PATIENCE_MS is "-45". Use whole milliseconds, such as 45000.'],
    [
      { RMR1_S3_SSE: 'AES' },
      'RMR1_S3_SSE is "AES". Use one of AES256, aws:kms, aws:kms:dsse, or leave it out for the bucket\'s own rule.',
    ],
  ])('%j are refused by the name of the variable', (env, message) => {
    expect(() => settingsFromEnvironment(env)).toThrow(
      expect.objectContaining({ type: 'StorageSettings', message }),
    );
  });
});
