import { spawnSync } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ArtifactStore } from '../../activities/artifacts/store.js';
import { isStoreError } from '../../activities/artifacts/errors.js';
import { doctor } from '../../infra/local/doctor.js';
import { connectTemporal, describeNamespace, missingAttributes } from '../../infra/local/namespace.js';
import { isRunning, killGroup } from '../../infra/local/process.js';
import { groupMembers } from '../../infra/local/process-table.js';
import { LocalStack, settingsOf } from '../../infra/local/stack.js';
import { StackFile, type StackState } from '../../infra/local/stack-file.js';
import { TEST_NAMESPACE, idleService, occupy, temporaryDirectory } from './helpers.js';

const DEFAULT_PORTS = [7233, 8233, 8333];

let home: Awaited<ReturnType<typeof temporaryDirectory>>;
let stack: LocalStack;
let occupied: Awaited<ReturnType<typeof occupy>>[];

beforeAll(async () => {
  home = await temporaryDirectory();
  occupied = await Promise.all(DEFAULT_PORTS.map(occupy));
  stack = new LocalStack(home.path);
});

// Some of these tests kill it or take it down.
beforeEach(() => stack.up(TEST_NAMESPACE));

afterAll(async () => {
  await stack.down();
  for (const server of occupied) server.close();
  await home.remove();
});

async function state(): Promise<Required<StackState>> {
  return (await new StackFile(home.path).read()) as Required<StackState>;
}

async function temporalClient(): Promise<Client> {
  const { temporal } = await state();
  return new Client({ connection: await connectTemporal(temporal.address), namespace: temporal.namespace });
}

describe('a stack whose default ports are taken', () => {
  test('listens elsewhere, on loopback only', async () => {
    const { temporal, s3, servers } = await state();
    const ports = [temporal.address, temporal.uiUrl, s3.endpoint].map((address) =>
      address?.split(':').at(-1),
    );
    for (const port of DEFAULT_PORTS.filter((_, i) => occupied[i]!.listening))
      expect(ports).not.toContain(String(port));
    for (const { pid } of Object.values(servers)) {
      const sockets = spawnSync('ss', ['-ltnpH'], { encoding: 'utf8' }).stdout ?? '';
      const own = sockets.split('\n').filter((line) => line.includes(`pid=${pid},`));
      for (const line of own) expect(line.split(/\s+/)[3]).toMatch(/^127\.0\.0\.1:/);
    }
  });

  test('has the namespace with its retention and the search attributes', async () => {
    const { temporal } = await state();
    const connection = await connectTemporal(temporal.address);
    expect(await describeNamespace(connection, temporal.namespace)).toEqual({ retentionDays: 30 });
    expect(await missingAttributes(connection, TEST_NAMESPACE)).toEqual({});
    await connection.close();
  });

  test('serves the web UI', async () => {
    const { temporal } = await state();
    const answer = await fetch(`${temporal.uiUrl}/api/v1/namespaces`);
    expect(answer.status).toBe(200);
  });

  test('keeps its keys from other users', async () => {
    for (const file of ['stack.json', 's3/credentials.json', 's3/s3.json']) {
      expect((await stat(join(home.path, file))).mode & 0o077).toBe(0);
    }
  });

  test('refuses a search attribute that is registered under another type', async () => {
    const clash = { ...TEST_NAMESPACE, searchAttributes: { Step: 'KEYWORD' as const } };
    await expect(stack.up(clash)).rejects.toMatchObject({
      type: 'SearchAttributes',
      message: expect.stringContaining('Step') as string,
    });
    expect((await stack.status()).map(({ alive }) => alive)).toEqual([true, true]);
  });

  test('is kept by a second up', async () => {
    const before = (await state()).servers;
    const { started } = await new LocalStack(home.path).up(TEST_NAMESPACE);
    expect(started).toEqual([]);
    expect((await state()).servers).toEqual(before);
  });

  test('is sound for the doctor', async () => {
    const { temporal, s3 } = await state();
    const checks = await doctor({ ...TEST_NAMESPACE, home: home.path });
    const byName = Object.fromEntries(checks.map((check) => [check.name, check]));
    expect(byName['temporal']).toMatchObject({
      ok: true,
      detail: expect.stringContaining(temporal.address) as string,
    });
    expect(byName['search attributes']?.ok).toBe(true);
    expect(byName['retention']?.ok).toBe(true);
    expect(byName['s3']).toMatchObject({
      ok: true,
      detail: expect.stringContaining(String(s3.endpoint)) as string,
    });
    expect(byName['s3 guarantees']?.ok).toBe(true);
  });
});

describe('after -9 on both servers', () => {
  test('the next up brings back histories and objects', async () => {
    const store = await stack.store();
    const ref = await store.putBytes('traces', 'kept');
    const client = await temporalClient();
    await client.workflow.start('nobodyRunsThis', {
      taskQueue: 'idle',
      workflowId: 'survivor',
      args: [{ n: 1 }],
    });
    await client.connection.close();

    const { servers, temporal } = await state();
    for (const server of Object.values(servers)) await killGroup(server);
    expect((await stack.status()).map(({ alive }) => alive)).toEqual([false, false]);

    const { started } = await stack.up(TEST_NAMESPACE);
    expect(started.sort()).toEqual(['s3', 'temporal']);
    expect((await state()).temporal.address).toBe(temporal.address);

    const again = await temporalClient();
    const history = await again.workflow.getHandle('survivor').fetchHistory();
    expect(history.events?.length).toBeGreaterThan(0);
    expect((await again.workflow.getHandle('survivor').describe()).status.name).toBe('RUNNING');
    await again.connection.close();
    expect((await store.getBytes(ref)).toString()).toBe('kept');
    store.close();
  });
});

describe('a store with the wrong keys or bucket', () => {
  test('is told apart, each with its remedy', async () => {
    const settings = { ...settingsOf((await state()).s3), patienceMs: 0 };
    const failures = [
      { with: { secretAccessKey: 'wrong' }, type: 'StorageCredentials', names: 'AWS_SECRET_ACCESS_KEY' },
      { with: { accessKeyId: 'nobody' }, type: 'StorageCredentials', names: 'AWS_ACCESS_KEY_ID' },
      { with: { bucket: 'absent' }, type: 'BucketMissing', names: 'absent' },
      { with: { endpoint: 'http://127.0.0.1:9' }, type: 'StorageUnreachable', names: '127.0.0.1:9' },
    ];
    for (const expected of failures) {
      const store = new ArtifactStore({ ...settings, ...expected.with });
      for (const call of [() => store.check(), () => store.putBytes('pairs', 'x')]) {
        const error = await call().then(
          () => undefined,
          (failure: unknown) => failure,
        );
        expect(isStoreError(error) && error.type).toBe(expected.type);
        expect((error as Error).message).toContain(expected.names);
      }
      store.close();
    }
  });
});

describe('down', () => {
  test('leaves no process and no trace of the stack', async () => {
    const { servers } = await state();
    const service = await stack.startService({
      name: 'idler',
      entry: await idleService(home.path),
      waitReady: true,
    });
    expect(service.record.ready).toEqual({ baseUrl: 'http://idle' });
    const offspring = groupMembers(service.record.pid);
    expect(offspring.length).toBe(2);

    await stack.down();

    for (const process of [...Object.values(servers), service.record]) {
      expect(isRunning(process)).toBe(false);
      expect(groupMembers(process.pid)).toEqual([]);
    }
    expect(await stack.status()).toEqual([]);
    await expect(readFile(join(home.path, 'stack.json'))).rejects.toThrow('ENOENT');
  });
});
