/** A store or a disk that turns bad under a run: it says which, waits, and goes on once the remedy is applied. */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import { createS3Client } from '../../activities/artifacts/s3-client.js';
import { freePort } from '../../infra/local/ports.js';
import { runCommand } from '../support/command.js';
import { expectOneMessage, failureOf, pendingFailure, problemOf, rerun } from '../support/failures.js';
import { TestMachine } from '../support/machine.js';
import { TINY } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-bad-store-'));

let machine: TestMachine;
let closed: string;
let runs = 0;
const nextId = () => `bad-${++runs}`;

beforeAll(async () => {
  machine = await TestMachine.start();
  await machine.startWorker();
  closed = `127.0.0.1:${await freePort()}`;
}, 120_000);
afterAll(async () => {
  await machine?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const published = () => machine.store.listKeys('manifests/');

describe('a store that is not what it was', () => {
  test('a corrupt artefact: the run says which and waits; the command says the same', async () => {
    const id = nextId();
    const handle = await machine.start('trainRewardModel', { overrides: TINY, gates: ['dataset'] }, id);
    await until('the gate', async () => (await machine.progress(id))?.state === 'awaiting-approval');
    const before = await published();
    const [dataset] = (await machine.progress(id))!.stages;
    const { documents } = dataset!.outputs as Record<string, ArtifactRef>;
    await overwrite(documents!);
    await handle.executeUpdate('approve', { args: [{}] });

    const problem = await problemOf(machine, id);
    expect(problem).toMatchObject({ stage: 'base', type: 'CorruptArtifact' });
    expect(problem.message).toContain(documents!.uri);
    expect(problem.message).toMatch(/is corrupt: its sha256 is .* Delete that object and run the stage/);
    expectOneMessage(await runCommand(['watch', id], machine.environment()), 5, /is corrupt/);
    expect(await published()).toEqual(before);

    // The remedy of the operations manual: what is bad goes, and a rerun makes it again.
    await machine.store.deleteJson(keyOf(documents!));
    await machine.forget('dataset');
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    const again = await rerun(machine, id);
    const handleOfRerun = machine.client.workflow.getHandle(again);
    await until('the gate', async () => (await machine.progress(again))?.state === 'awaiting-approval');
    await handleOfRerun.executeUpdate('approve', { args: [{}] });
    await until('the stage after base', async () => (await machine.progress(again))?.stage === 'distill');
    expect(await machine.store.has(documents!)).toBe(true);
    await handleOfRerun.cancel();
    await expect(handleOfRerun.result()).rejects.toThrow();
    await machine.forget('base');
    await machine.forget('dataset');
  });

  test('credentials of the worker that the store refuses', async () => {
    await machine.stopWorkers();
    await machine.startWorker({ AWS_SECRET_ACCESS_KEY: 'wrong' });
    try {
      const failure = await failureOf(machine, {}, nextId());
      expect(failure.type).toBe('StorageCredentials');
      expect(failure.message).toMatch(/refused access.*AWS_SECRET_ACCESS_KEY/);
    } finally {
      await machine.stopWorkers();
      await machine.startWorker();
    }
  });

  test('a store that the worker cannot reach', async () => {
    await machine.stopWorkers();
    await machine.startWorker({ RMR1_S3_ENDPOINT: `http://${closed}`, RMR1_S3_PATIENCE_MS: '500' });
    try {
      expect(await pendingFailure(machine, {}, nextId())).toMatch(
        /Cannot reach S3 at http:\/\/127\.0\.0\.1:\d+/,
      );
    } finally {
      await machine.stopWorkers();
      await machine.startWorker();
    }
  });

  /** Same length, other content. */
  async function overwrite(artifact: ArtifactRef): Promise<void> {
    const { bucket: Bucket } = machine.s3.settings;
    const client = createS3Client(machine.s3.settings);
    try {
      const Body = Buffer.alloc(artifact.bytes, '?');
      await client.send(new PutObjectCommand({ Bucket, Key: keyOf(artifact), Body }));
    } finally {
      client.destroy();
    }
  }
});

/** Where the object of an artefact lies in the bucket. */
function keyOf({ uri }: ArtifactRef): string {
  return uri.slice(`s3://${machine.s3.settings.bucket}/`.length);
}

describe('a full disk', () => {
  test('stops the trainer; the run says so and waits; with more room it goes on', async (context) => {
    const disk = join(dir, 'small-disk');
    const impossible = mountSmallDisk(disk);
    context.skip(impossible !== undefined, impossible);
    const before = await published();
    await machine.stopWorkers();
    await machine.startWorker({ RMR1_HOME: disk });
    const id = nextId();
    const handle = await machine.start('trainRewardModel', { overrides: TINY, seed: 77 }, id);
    try {
      const problem = await problemOf(machine, id);
      expect(problem).toMatchObject({ stage: 'base', type: 'DiskFull' });
      expect(problem.message).toMatch(/space/i);
      expectOneMessage(await runCommand(['watch', id], machine.environment()), 5, /space/i);
      const since = (await published()).filter((key) => !before.includes(key));
      expect(since.filter((key) => !key.startsWith('manifests/dataset/'))).toEqual([]);

      // The remedy of the operations manual.
      execFileSync('mount', ['-o', 'remount,size=64m', disk]);
      await handle.executeUpdate('correct', { args: [{}] });
      await until('the stage after base', async () => (await machine.progress(id))?.stage === 'distill');
    } finally {
      await handle.cancel();
      await handle.result().catch(() => undefined);
      await machine.stopWorkers();
      // Lazily: the trainer may still be on its way out.
      execFileSync('umount', ['-l', disk]);
      await machine.startWorker();
    }
  });
});

/** Mount a disk of 256 KiB. @returns why that is not possible, if so. */
function mountSmallDisk(at: string): string | undefined {
  if (platform() !== 'linux') return 'a small disk is mounted on Linux only';
  if (process.getuid?.() !== 0) return 'only root can mount a small disk';
  try {
    mkdirSync(at);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', at], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `a small disk cannot be mounted here: ${(error as Error).message.trim().split('\n').at(-1)}`;
  }
}
