/** A Temporal that asks for certificates or a key: client, worker, `rmr1 up` and `rmr1 doctor` bring them, and a stranger does not. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { NativeConnection } from '@temporalio/worker';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { connect } from '../../client/reward-model-client.js';
import { temporalTarget } from '../../infra/temporal-target.js';
import { doctor } from '../../infra/local/doctor.js';
import { useTemporal } from '../../infra/local/temporal.js';
import { temporalConfig } from '../../temporal.config.js';
import { makeCertificates, startTlsFront } from '../support/tls-front.js';
import { startEnvironment } from '../support/workflow-environment.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-tls-'));
const { searchAttributes } = temporalConfig;
const settings = { namespace: 'default', retentionDays: 1, searchAttributes };
let environment: TestWorkflowEnvironment;
let front: Awaited<ReturnType<typeof startTlsFront>>;
let certificates: ReturnType<typeof makeCertificates>;
let profile: string;

beforeAll(async () => {
  environment = await startEnvironment();
  certificates = makeCertificates(dir);
  front = await startTlsFront(environment.address, certificates);
  profile = join(dir, 'temporal.toml');
  const { ca, client } = certificates;
  writeFileSync(
    profile,
    `[profile.hosted]
address = "${front.address}"
namespace = "default"
[profile.hosted.tls]
server_ca_cert_path = "${ca}"
client_cert_path = "${client.cert}"
client_key_path = "${client.key}"
`,
  );
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  front?.stop();
  await environment?.teardown();
  rmSync(dir, { recursive: true, force: true });
});

const withProfile = () => {
  vi.stubEnv('RMR1_HOME', dir);
  vi.stubEnv('TEMPORAL_CONFIG_FILE', profile);
  vi.stubEnv('TEMPORAL_PROFILE', 'hosted');
};

test('with the profile everything of ours gets in', async () => {
  withProfile();
  await using client = await connect();
  expect(await client.runs()).toEqual([]);

  await useTemporal(front.address, settings);

  const { address, credentials } = temporalTarget();
  const native = await NativeConnection.connect({ address, ...credentials });
  await native.close();

  const checks = await doctor({ ...settings, home: dir });
  expect(checks.find(({ name }) => name === 'temporal')).toMatchObject({
    ok: true,
    detail: `${front.address}, namespace "default"`,
  });
});

test('without a certificate nobody gets in, and the doctor says so', async () => {
  vi.stubEnv('RMR1_HOME', dir);
  await expect(connect({ address: front.address, timeoutMs: 1_000 })).rejects.toThrow(
    /Cannot reach Temporal/,
  );
  const env = { PATH: process.env.PATH, TEMPORAL_ADDRESS: front.address, TEMPORAL_NAMESPACE: 'default' };
  const checks = await doctor({ ...settings, home: dir, env });
  expect(checks.find(({ name }) => name === 'temporal')?.ok).toBe(false);
});

test('the keys of the profile are not shown to another server', async () => {
  withProfile();
  // Plain text is what that server speaks: certificates would make the connection fail.
  await using client = await connect({ address: environment.address, namespace: 'default' });
  expect(await client.runs()).toEqual([]);
});

test('an API key travels with every call to the server it is meant for', async () => {
  const keys: (string | undefined)[] = [];
  const { server: files, ca } = certificates;
  const server = createSecureServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) });
  server.on('stream', (stream, headers) => {
    keys.push(headers.authorization);
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16' },
      { endStream: true },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    vi.stubEnv('TEMPORAL_ADDRESS', `127.0.0.1:${(server.address() as AddressInfo).port}`);
    vi.stubEnv('TEMPORAL_API_KEY', 'a-key-of-mine');
    vi.stubEnv('TEMPORAL_TLS_SERVER_CA_CERT_PATH', ca);
    await expect(connect({ timeoutMs: 2_000 })).rejects.toMatchObject({ type: 'TemporalCredentials' });
    expect(new Set(keys)).toEqual(new Set(['Bearer a-key-of-mine']));
  } finally {
    server.close();
  }
});
