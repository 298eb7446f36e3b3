/**
 * What users get wrong, against real servers: each case ends with one clear message and nothing published, from the
 * command line and, where a client did not look first, as the failure on the workflow's own page.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../infra/local/ports.js';
import { runCommand } from '../support/command.js';
import { expectOneMessage, failureOf, pendingFailure, rerun } from '../support/failures.js';
import { TestMachine } from '../support/machine.js';
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
      const failure = await failureOf(machine, input, nextId());
      expect(failure.type).toBe(type);
      expect(failure.message).toMatch(name === 'an unknown input field' ? /stepz/ : message);
      expect(await published()).toEqual(before);
    },
  );

  test('an oracle that does not answer: the check is repeated, its last failure stands on the page', async () => {
    const message = await pendingFailure(
      machine,
      {
        recipe: 'scratch',
        data: good,
        oracle: { ...local, baseUrl: `http://${closed}/v1` },
      },
      nextId(),
    );
    expect(message).toMatch(/oracle at http:\/\/127\.0\.0\.1:\d+\/v1 did not answer/);
  });

  test('an oracle that refuses the key', async () => {
    const oracle = await machine.startOracle([], { RMR1_ORACLE_KEY: 'right' });
    const failure = await failureOf(
      machine,
      {
        recipe: 'scratch',
        data: good,
        oracle: { ...local, baseUrl: oracle.baseUrl },
      },
      nextId(),
    );
    expect(failure.type).toBe('OracleCredentials');
    expect(failure.message).toMatch(/refused the key \(HTTP 401\)/);

    const args = ['run', '--data', good, '--oracle', 'local', '--oracle-url', oracle.baseUrl];
    const wrong = await runCommand(args, machine.environment({ RMR1_ORACLE_KEY: 'wrong' }));
    expectOneMessage(wrong, 4, /HTTP 401/);

    // The remedy of the operations manual: the right key where the worker runs, and a rerun.
    await machine.stopWorkers();
    await machine.startWorker({ RMR1_ORACLE_KEY: 'right' });
    try {
      const again = await rerun(machine, `bad-${runs}`);
      await until('the checks passed', async () => (await machine.progress(again))?.stage !== undefined);
      await machine.client.workflow.getHandle(again).cancel();
    } finally {
      await machine.stopWorkers();
      await machine.startWorker();
    }
  });
});
