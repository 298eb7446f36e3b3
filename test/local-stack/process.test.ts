import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isRunning, killGroup, signalGroup, spawnDetached, stopGroup } from '../../infra/local/process.js';
import { groupMembers } from '../../infra/local/process-table.js';
import { startNodeService } from '../../infra/local/node-service.js';
import { StackFile } from '../../infra/local/stack-file.js';
import { until } from '../support/until.js';
import { idleService, temporaryDirectory } from './helpers.js';

let idle: string;
let dir: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  dir = await temporaryDirectory();
  idle = await idleService(dir.path);
});
afterEach(() => dir.remove());

function sh(script: string) {
  return spawnDetached({ name: 'sh', command: 'sh', args: ['-c', script], logFile: join(dir.path, 'log') });
}

/** Until the script has written its marker to the log. */
async function said(marker: string): Promise<void> {
  const look = async () => (await readFile(join(dir.path, 'log'), 'utf8')).includes(marker);
  await until(`${marker} in the log`, look, 60, 10);
}

describe('ending a process', () => {
  test('reaches its children too', async () => {
    const child = await sh('sleep 600 & sleep 600 & echo up; wait');
    await said('up');
    expect(groupMembers(child.pid)).toHaveLength(3);
    await stopGroup(child);
    expect(groupMembers(child.pid)).toEqual([]);
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
  });

  test('reaches children that outlived their parent', async () => {
    const child = await sh('sleep 600 & echo up');
    await child.exited;
    expect(isRunning(child)).toBe(false);
    expect(groupMembers(child.pid)).toHaveLength(1);
    await stopGroup(child);
    expect(groupMembers(child.pid)).toEqual([]);
  });

  test('falls back to KILL for one that ignores TERM', async () => {
    const child = await sh('trap "" TERM; echo up; while :; do sleep 1; done');
    await said('up');
    await stopGroup(child, 100);
    expect(isRunning(child)).toBe(false);
    expect((await child.exited).signal).toBe('SIGKILL');
  });

  test('never touches another process that got the same number', async () => {
    const child = await sh('echo up; sleep 600');
    await said('up');
    const impostor = { pid: child.pid, startedAt: 'another time' };
    expect(signalGroup(impostor, 'SIGKILL')).toBe(false);
    await stopGroup(impostor);
    expect(isRunning(child)).toBe(true);
    await killGroup(child);
  });

  test('that already ended is no error', async () => {
    const child = await sh('exit 7');
    expect(await child.exited).toEqual({ code: 7, signal: null });
    await stopGroup(child);
  });

  test('a program that does not exist is one clear sentence', async () => {
    await expect(
      spawnDetached({
        name: 'Temporal',
        command: '/nowhere/temporal',
        args: [],
        logFile: join(dir.path, 'log'),
      }),
    ).rejects.toMatchObject({
      type: 'ServerFailed',
      message: expect.stringContaining('/nowhere/temporal') as string,
    });
  });
});

describe('a node service', () => {
  test('is found again by name and started once', async () => {
    const home = dir.path;
    const first = await startNodeService({ name: 'idle', entry: idle, home, waitReady: true });
    const second = await startNodeService({ name: 'idle', entry: idle, home, waitReady: true });
    expect(second.started).toBe(false);
    expect(second.record).toEqual(first.record);
    await second.stop();
    expect((await first.exited)?.signal).toBe('SIGTERM');
    expect((await new StackFile(home).read()).services).toEqual([]);
  });

  test('that ends before it is ready fails with its exit code and log', async () => {
    const started = startNodeService({
      name: 'idle',
      entry: idle,
      args: ['--fail'],
      home: dir.path,
      waitReady: true,
    });
    await expect(started).rejects.toMatchObject({
      type: 'ServerFailed',
      message: expect.stringMatching(/code 3.*idle\.log/) as string,
    });
    expect((await new StackFile(dir.path).read()).services).toEqual([]);
  });

  test('several at once are all noted', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const services = await Promise.all(
      names.map((name) => startNodeService({ name, entry: idle, home: dir.path })),
    );
    const noted = (await new StackFile(dir.path).read()).services.map(({ name }) => name).sort();
    expect(noted).toEqual(names);
    await Promise.all(services.map((service) => service.stop()));
  });
});
