/** Profiles: certificates and keys from Temporal's own files, and never sent to a server they are not meant for. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { connectionProfile } from '../../infra/connection-profile.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-profile-'));
afterAll(() => rmSync(dir, { recursive: true }));
const write = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

const file = write(
  'temporal.toml',
  `[profile.default]
address = "default.example:7233"
[profile.prod]
address = "prod.example:7233"
namespace = "judges"
[profile.prod.tls]
client_cert_path = "${write('client.pem', 'CERT')}"
client_key_path = "${write('client.key', 'KEY')}"
server_name = "temporal.internal"
[profile.cloud]
address = "cloud.example:7233"
api_key = "from-the-file"
`,
);

test('a named profile gives address, namespace and certificates', () => {
  const { address, namespace, credentials } = connectionProfile({
    TEMPORAL_CONFIG_FILE: file,
    TEMPORAL_PROFILE: 'prod',
  });
  expect({ address, namespace }).toEqual({ address: 'prod.example:7233', namespace: 'judges' });
  const { tls } = credentials;
  if (typeof tls !== 'object' || !tls) throw new Error('no TLS settings');
  expect(tls.serverNameOverride).toBe('temporal.internal');
  expect(Buffer.from(tls.clientCertPair!.crt).toString()).toBe('CERT');
  expect(Buffer.from(tls.clientCertPair!.key).toString()).toBe('KEY');
});

test('an API key switches TLS on; variables win over the file', () => {
  const env = { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'cloud' };
  expect(connectionProfile(env).credentials).toMatchObject({ apiKey: 'from-the-file', tls: true });
  const changed = connectionProfile({ ...env, TEMPORAL_API_KEY: 'other', TEMPORAL_ADDRESS: 'a.example:1' });
  expect(changed).toMatchObject({ address: 'a.example:1', credentials: { apiKey: 'other' } });
  expect(connectionProfile({ TEMPORAL_API_KEY: 'k' }).credentials).toEqual({ apiKey: 'k', tls: true });
});

test("the user's default file is not read unasked", () => {
  mkdirSync(join(dir, '.config', 'temporalio'), { recursive: true });
  write(join('.config', 'temporalio', 'temporal.toml'), '[profile.default]\naddress = "prod.example:7233"\n');
  expect(connectionProfile({ HOME: dir })).toEqual({ credentials: {} });
  expect(connectionProfile({ HOME: dir, TEMPORAL_PROFILE: 'default' }).address).toBe('prod.example:7233');
});

test('what cannot be used is refused with the variable named', () => {
  for (const env of [
    { TEMPORAL_CONFIG_FILE: join(dir, 'nowhere.toml'), TEMPORAL_PROFILE: 'prod' },
    { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'nobody' },
    { TEMPORAL_CONFIG_FILE: write('odd.toml', '[profile.default]\nadress = "x:1"\n') },
    { TEMPORAL_TLS_CLIENT_CERT_PATH: join(dir, 'nowhere.pem'), TEMPORAL_TLS_CLIENT_KEY_PATH: file },
  ])
    expect(() => connectionProfile(env), JSON.stringify(env)).toThrow(/TEMPORAL_PROFILE/);
});
