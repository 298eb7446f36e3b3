/** The local stack by its commands, with real servers. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkPairs } from '../../client/check-pairs.js';
import { labelsFile, postLabels } from '../../client/oracle-labels.js';
import { readOwner } from '../../client/local/owner.js';
import { withStore } from '../../client/store.js';
import { uploadPairs } from '../../client/upload.js';
import { processesOf } from '../support/processes.js';
import { runCli } from './run-cli.js';

const pairs = [1, 2, 3].map((n) =>
  JSON.stringify({ prompt: `Is ${n} a number?`, chosen: 'Yes.', rejected: 'No.' }),
);
let home: string;
let file: string;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'rmr1-stack-commands-'));
  file = join(home, 'pairs.jsonl');
  await writeFile(file, `${pairs.join('\n')}\n`);
  vi.stubEnv('RMR1_HOME', home);
  for (const name of [
    'TEMPORAL_ADDRESS',
    'RMR1_S3_ENDPOINT',
    'RMR1_S3_BUCKET',
    'RMR1_ORACLE_URL',
    'OPENAI_API_KEY',
  ]) {
    vi.stubEnv(name, undefined);
  }
  environment = { ...process.env };
});
// One of these tests takes the stack down, and what found it keeps its address in the environment.
beforeEach(async () => {
  process.env = { ...environment };
  const up = await runCli('up', '--detach', '--no-worker', '--json');
  expect(up, up.err).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await runCli('down');
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

describe('rmr1 up', () => {
  it('started what it says, and a second one finds it', async () => {
    const before = processesOf(home).map(({ pid }) => pid);
    const again = await runCli('up', '--detach', '--no-worker', '--json');
    const { temporal, s3, oracle } = JSON.parse(again.out) as Record<string, Record<string, string>>;
    expect(temporal?.['uiUrl']).toMatch(/^http:\/\/127\.0\.0\.1:/);
    expect(s3?.['endpoint']).toMatch(/^http:\/\/127\.0\.0\.1:/);
    expect(oracle?.['baseUrl']).toMatch(/^http:\/\/127\.0\.0\.1:/);
    expect(processesOf(home).map(({ pid }) => pid)).toEqual(before);
    expect(readOwner(home)?.command).toBe('up --detach');
  });

  it('is what the other commands find without being told', async () => {
    expect(await runCli('runs')).toMatchObject({
      code: 0,
      out: expect.stringContaining('No runs yet') as string,
    });
    const { checks } = JSON.parse((await runCli('doctor', '--json')).out) as {
      checks: { name: string; ok: boolean }[];
    };
    for (const name of ['temporal', 'search attributes', 's3', 'oracle']) {
      expect(checks.find((check) => check.name === name)).toMatchObject({ ok: true });
    }
  });
});

describe('a data file', () => {
  it('is the same artefact whether it came as gzip or not', async () => {
    const zipped = `${file}.gz`;
    await writeFile(zipped, gzipSync(await readFile(file)));
    const { ref } = await uploadPairs(zipped);
    expect(ref).toEqual((await uploadPairs(file)).ref);
    expect(await withStore((store) => store.getBytes(ref))).toEqual(await readFile(file));
  });

  it('is refused before anything is stored', async () => {
    const broken = join(home, 'broken.jsonl');
    await writeFile(broken, `${pairs[0]}\n{`);
    await expect(uploadPairs(broken)).rejects.toMatchObject({ type: 'BadData' });
  });

  it('gives the local oracle its labels, which outlive the service', async () => {
    const checked = await checkPairs(file);
    await postLabels(checked.pairs);
    await postLabels(checked.pairs);
    const kept = (await readFile(labelsFile(home), 'utf8')).trim().split('\n');
    expect(kept).toHaveLength(3);
  });
});

describe('wrong keys of the store', () => {
  it('are named as such', async () => {
    const { s3 } = JSON.parse(await readFile(join(home, 'stack.json'), 'utf8')) as {
      s3: { endpoint: string };
    };
    vi.stubEnv('RMR1_S3_ENDPOINT', s3.endpoint);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'nobody');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong');
    vi.stubEnv('RMR1_ARTIFACT_CACHE', '');
    const { code, err } = await runCli('run', '--data', file, '--oracle', 'local');
    expect(err).toContain('AWS_ACCESS_KEY_ID');
    expect(code).toBe(4);
  });
});

describe('rmr1 down', () => {
  it('leaves nothing running, and says so when there is nothing to stop', async () => {
    expect(processesOf(home)).not.toEqual([]);
    expect(await runCli('down')).toMatchObject({ code: 0, out: `Stopped. Data stays in ${home}.\n` });
    expect(processesOf(home)).toEqual([]);
    expect(readOwner(home)).toBeUndefined();
    expect((await runCli('down')).out).toBe(`Nothing was running in ${home}.\n`);
    // Not the default address: another stack may stand there.
    expect(await runCli('runs', '--address', '127.0.0.1:1')).toMatchObject({ code: 3 });
  });
});
