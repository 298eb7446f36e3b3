/**
 * What users get wrong, against real servers: each case ends with one clear message and nothing published, from the
 * command line and, where a client did not look first, as the failure on the workflow's own page.
 */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { WorkflowFailedError } from '@temporalio/client';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import { createS3Client } from '../../activities/artifacts/s3-client.js';
import { freePort } from '../../infra/local/ports.js';
import { rootCause } from '../../workflows/root-cause.js';
import { runCommand, type CommandEnd } from '../support/command.js';
import { TestMachine } from '../support/machine.js';
import { TINY } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-bad-input-'));
const pair = (n: number) => ({
  prompt: `Is ${n + 1} more than ${n}?`,
  chosen: `Yes, by ${n}.`,
  rejected: `No ${n}.`,
});
const lines = (count: number, change: (line: object, n: number) => unknown = (line) => line): string =>
  Array.from({ length: count }, (_, n) => change(pair(n), n))
    .map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
    .join('\n');
const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

let machine: TestMachine;
let closed: string;
let runs = 0;

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

function expectOneMessage({ code, stderr, stdout }: CommandEnd, exit: number, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(code, stderr).toBe(exit);
  expect(stdout + stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(stderr).not.toContain('defect');
  const mentions = stderr.split('\n').filter((line) => /^(rmr1|error): /.test(line));
  expect(mentions).toHaveLength(1);
}

/** The failure on the workflow's page. */
async function failureOf(input: unknown): Promise<{ type: string; message: string }> {
  const handle = await machine.start('trainRewardModel', input, `bad-${++runs}`);
  const error = await handle.result().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WorkflowFailedError);
  const { cause } = error as WorkflowFailedError;
  // The page shows the failure itself, not a wrapper around it.
  expect(cause?.message).toBe(rootCause(cause).message);
  expect(cause?.message).not.toMatch(/^\s+at /m);
  return rootCause(cause);
}

/** What the page of a run says about an activity that is tried again; the run is cancelled then. */
async function pendingFailure(input: unknown): Promise<string> {
  const handle = await machine.start('trainRewardModel', input, `bad-${++runs}`);
  const message = await until('the failure of an activity', async () => {
    const { raw } = await handle.describe();
    return raw.pendingActivities?.find(({ lastFailure }) => lastFailure)?.lastFailure?.message ?? undefined;
  });
  await handle.cancel();
  await expect(handle.result()).rejects.toThrow();
  return message;
}

/** Wait until a run asks for a correction, and take its problem. */
function problemOf(workflowId: string) {
  return until(`the problem of ${workflowId}`, async () => (await machine.progress(workflowId))?.problem);
}

interface Case {
  name: string;
  args: string[];
  exit: number;
  message: RegExp;
  /** The same mistake made without a client; absent where only a client can make it. */
  input?: Record<string, unknown>;
  type?: string;
  env?: () => Record<string, string | undefined>;
}

const local = { provider: 'local' };
const data = (name: string, path: string, message: RegExp): Case => ({
  name,
  args: ['--data', path, '--oracle', 'local'],
  exit: 2,
  message,
  input: { recipe: 'scratch', data: path, oracle: local },
  type: 'BadData',
});
const good = file('good.jsonl', lines(40));

const cases: Case[] = [
  data('a file that is not there', join(dir, 'none.jsonl'), /none\.jsonl.*(does not exist|no such file)/i),
  data('a directory', dir, /is a directory|cannot read it as a file/),
  data('an empty file', file('empty.jsonl', ''), /empty\.jsonl.*is empty/),
  data(
    'wrong JSON',
    file(
      'json.jsonl',
      lines(20, (line, n) => (n === 6 ? '{"prompt": "q", ' : line)),
    ),
    /json\.jsonl: line 7: .*JSON/,
  ),
  data(
    'a missing field',
    file(
      'field.jsonl',
      lines(20, (line, n) => (n === 3 ? { ...line, rejected: undefined } : line)),
    ),
    /field\.jsonl: line 4.*rejected/,
  ),
  data(
    'equal answers everywhere',
    file(
      'same.jsonl',
      lines(20, (line, n) => ({ ...line, chosen: `A ${n}`, rejected: `A ${n}` })),
    ),
    /same\.jsonl.*the same/s,
  ),
  {
    ...data(
      'pairs that are all too long',
      file(
        'long.jsonl',
        lines(300, (line, n) => ({ ...line, chosen: `word${n} `.repeat(500) })),
      ),
      /(long\.jsonl|the uploaded pairs).*longer than \d+ tokens/s,
    ),
  },
  {
    name: 'an unknown recipe',
    args: ['--data', good, '--recipe', 'scrach'],
    exit: 2,
    message: /Unknown recipe 'scrach'.*quickstart.*scratch/,
    input: { recipe: 'scrach' },
    type: 'InvalidInput',
  },
  {
    name: 'an unknown field',
    args: ['--data', good, '--set', 'grpo.stepz=1'],
    exit: 2,
    message: /stepz/,
    input: { recipe: 'quickstart', overrides: { 'grpo.stepz': 1 } },
    type: 'InvalidInput',
  },
  {
    name: 'an unknown input field',
    args: ['--data', good, '--stepz', '1'],
    exit: 2,
    message: /unknown option '--stepz'/,
    input: { recipe: 'quickstart', stepz: 1 },
    type: 'InvalidInput',
  },
  {
    name: 'a budget of zero',
    args: ['--data', good, '--budget', '0'],
    exit: 2,
    message: /positive amount of USD/,
    input: { budget: { usd: 0 } },
    type: 'InvalidInput',
  },
  {
    name: 'no key for the oracle',
    args: ['--data', good, '--oracle', 'openai'],
    exit: 4,
    message: /OPENAI_API_KEY is not set/,
    input: { recipe: 'scratch', data: good },
    type: 'OracleCredentials',
  },
  {
    name: 'Temporal away',
    args: ['--data', good, '--oracle', 'local', '--address', 'CLOSED'],
    exit: 3,
    message: /Cannot reach Temporal at 127\.0\.0\.1:\d+\. Start it with/,
  },
  {
    name: 'S3 away',
    args: ['--data', good, '--oracle', 'local', '--s3-endpoint', 'http://CLOSED'],
    exit: 3,
    message: /Cannot reach S3 at http:\/\/127\.0\.0\.1:\d+ .*rmr1 up/,
  },
  {
    name: 'the oracle away',
    args: ['--data', good, '--oracle', 'local', '--oracle-url', 'http://CLOSED/v1'],
    exit: 3,
    message: /oracle at http:\/\/127\.0\.0\.1:\d+ does not answer/,
  },
  {
    name: 'wrong S3 credentials',
    args: ['--data', good, '--oracle', 'local'],
    exit: 4,
    message: /refused access.*AWS_SECRET_ACCESS_KEY/,
    env: () => ({ AWS_SECRET_ACCESS_KEY: 'wrong' }),
  },
  {
    name: 'a bucket that is not there',
    args: ['--data', good, '--oracle', 'local', '--bucket', 'nowhere'],
    exit: 3,
    message: /Bucket "nowhere" does not exist/,
  },
];

describe('rmr1 run', () => {
  test.each(cases)(
    '$name: one message, exit $exit, nothing published',
    async ({ args, exit, message, env }) => {
      const before = await published();
      const given = args.map((argument) => argument.replace('CLOSED', closed));
      const end = await runCommand(['run', ...given], machine.environment(env?.()));
      expectOneMessage(end, exit, message);
      expect(await published()).toEqual(before);
    },
  );
});

describe('a workflow that was started without the client', () => {
  test.each(cases.filter(({ input }) => input))(
    '$name: fails with the same message',
    async ({ name, input, type, message }) => {
      const before = await published();
      const failure = await failureOf(input);
      expect(failure.type).toBe(type);
      expect(failure.message).toMatch(name === 'an unknown input field' ? /stepz/ : message);
      expect(await published()).toEqual(before);
    },
  );

  test('an oracle that does not answer: the check is repeated, its last failure stands on the page', async () => {
    const message = await pendingFailure({
      recipe: 'scratch',
      data: good,
      oracle: { ...local, baseUrl: `http://${closed}/v1` },
    });
    expect(message).toMatch(/oracle at http:\/\/127\.0\.0\.1:\d+\/v1 did not answer/);
  });

  test('an oracle that refuses the key', async () => {
    const oracle = await machine.startOracle([], { RMR1_ORACLE_KEY: 'right' });
    const failure = await failureOf({
      recipe: 'scratch',
      data: good,
      oracle: { ...local, baseUrl: oracle.baseUrl },
    });
    expect(failure.type).toBe('OracleCredentials');
    expect(failure.message).toMatch(/refused the key \(HTTP 401\)/);

    const args = ['run', '--data', good, '--oracle', 'local', '--oracle-url', oracle.baseUrl];
    const wrong = await runCommand(args, machine.environment({ RMR1_ORACLE_KEY: 'wrong' }));
    expectOneMessage(wrong, 4, /HTTP 401/);

    // The remedy of the operations manual: the right key where the worker runs, and a rerun.
    await machine.stopWorkers();
    await machine.startWorker({ RMR1_ORACLE_KEY: 'right' });
    try {
      const again = await rerun(`bad-${runs}`);
      await until('the checks passed', async () => (await machine.progress(again))?.stage !== undefined);
      await machine.client.workflow.getHandle(again).cancel();
    } finally {
      await machine.stopWorkers();
      await machine.startWorker();
    }
  });
});

describe('a store that is not what it was', () => {
  test('a corrupt artefact: the run says which and waits; the command says the same', async () => {
    const id = `bad-${++runs}`;
    const handle = await machine.start('trainRewardModel', { overrides: TINY, gates: ['dataset'] }, id);
    await until('the gate', async () => (await machine.progress(id))?.state === 'awaiting-approval');
    const before = await published();
    const [dataset] = (await machine.progress(id))!.stages;
    const { documents } = dataset!.outputs as Record<string, ArtifactRef>;
    await overwrite(documents!);
    await handle.executeUpdate('approve', { args: [{}] });

    const problem = await problemOf(id);
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
    const again = await rerun(id);
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
      const failure = await failureOf({});
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
      expect(await pendingFailure({})).toMatch(/Cannot reach S3 at http:\/\/127\.0\.0\.1:\d+/);
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

/** `rmr1 rerun RUN`. @returns the id of the new run. */
async function rerun(run: string): Promise<string> {
  const { code, stdout, stderr } = await runCommand(['rerun', run, '--json'], machine.environment());
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return (JSON.parse(stdout) as { workflowId: string }).workflowId;
}

describe('a full disk', () => {
  test('stops the trainer; the run says so and waits; with more room it goes on', async (context) => {
    const disk = join(dir, 'small-disk');
    const impossible = mountSmallDisk(disk);
    context.skip(impossible !== undefined, impossible);
    const before = await published();
    await machine.stopWorkers();
    await machine.startWorker({ RMR1_HOME: disk });
    const id = `bad-${++runs}`;
    const handle = await machine.start('trainRewardModel', { overrides: TINY, seed: 77 }, id);
    try {
      const problem = await problemOf(id);
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
