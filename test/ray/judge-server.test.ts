/** A judge's server from its first job to its end: real store, a head and servers that follow a script. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { servedJudge } from '../../activities/evaluation/judges/served-judge.js';
import { Patience, patientJudge } from '../../activities/evaluation/judges/patience.js';
import { storedJudge } from '../../activities/evaluation/judges/stored-judge.js';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import { JudgeServer, type Served, type ServerWish } from '../../activities/ray/judge-server.js';
import { serverFor } from '../../activities/ray/open-server.js';
import type { ServerDeadlines } from '../../activities/ray/server-watch.js';
import { releaseServer } from '../../activities/ray/server-job.js';
import { serverKeyOf, serverRecords, servedName } from '../../activities/ray/serving-spec.js';
import { samplingSchema } from '../../workflows/judge-settings.js';
import { freshKey, useStore } from '../artifacts/shared-store.js';
import { startScripted } from '../evaluation/scripted-endpoint.js';
import { until } from '../support/until.js';
import { ScriptedHead } from './scripted-head.js';
import { idOf, ScriptedServer, submitted } from './scripted-server.js';

const LONG = 60_000;
const CALM: ServerDeadlines = {
  ...{ poll: 5, start: LONG, firstHealth: LONG, unwell: LONG, away: LONG, lease: LONG, drain: 1000 },
};
const signal = new AbortController().signal;

const s3 = useStore();
let head: ScriptedHead;
let wish: ServerWish;
let key: string;
let held: Served[];
let servers: ScriptedServer[];

beforeEach(async () => {
  head = await ScriptedHead.start();
  vi.stubEnv('RMR1_RAY_ADDRESS', head.address);
  const model: ArtifactRef = { uri: 's3://b/m', sha256: freshKey() + freshKey(), bytes: 1, kind: 'model' };
  wish = {
    ...{ runId: `run-${freshKey()}`, stage: 'evaluate', model, gpus: 2, precision: 'bfloat16', cpus: 1 },
    ...{ maxModelLen: 4096, workflowId: 'run/evaluate' },
  };
  key = serverKeyOf(wish);
  held = [];
  servers = [];
});
afterEach(async () => {
  await Promise.all(held.map((server) => server.close()));
  await Promise.all(servers.map((server) => server.close()));
  vi.unstubAllEnvs();
  await head.close();
});

function hold(deadlines: Partial<ServerDeadlines> = {}): JudgeServer {
  const server = JudgeServer.hold(s3.store, wish, { ...CALM, ...deadlines });
  held.push(server);
  return server;
}

async function serve(
  attempt: number,
  answer?: Parameters<typeof ScriptedServer.of>[4],
): Promise<ScriptedServer> {
  const server = await ScriptedServer.of(s3.store, head, key, attempt, answer);
  servers.push(server);
  return server;
}

const valueOf = async (record: string) =>
  (await s3.store.getJson(record))?.value as Record<string, unknown> | undefined;

describe('a server that nobody has brought up yet', () => {
  test('is submitted with what it needs, and asked once it is healthy', async () => {
    const server = hold();
    const job = await submitted(head, key, 1);
    expect(job.request).toMatchObject({
      entrypoint: 'python -m rmr1_ray.serve',
      entrypoint_num_gpus: 2,
      metadata: { workflow: 'run/evaluate', stage: 'evaluate' },
      runtime_env: { env_vars: { RMR1_SPEC: serverRecords(key).spec(1) } },
    });
    expect(await valueOf(serverRecords(key).spec(1))).toMatchObject({
      ...{ serverKey: key, attempt: 1, name: servedName(wish.model), gpus: 2, precision: 'bfloat16' },
      ...{ maxModelLen: 4096, leaseSeconds: 60 },
    });
    const serving = await serve(1);
    expect(await server.endpoint(signal)).toEqual({ baseUrl: `${serving.url}/v1`, key: 'key-1' });
  });

  test('is not taken for one while its job loads, or calls itself healthy and is not', async () => {
    const server = hold();
    const serving = await ScriptedServer.of(s3.store, head, key, 1);
    servers.push(serving);
    await server.endpoint(signal);
    serving.well = false;
    const lost = await server.endpoint(signal);
    server.doubt(lost);
    let asked = false;
    const next = server.endpoint(signal).then((endpoint) => ((asked = true), endpoint));
    const looks = head.calls.length;
    await until('three more looks at the job', () => head.calls.length > looks + 3, 30, 5);
    expect(asked).toBe(false);
    serving.well = true;
    expect(await next).toEqual(lost);
  });

  test('is started once, however many want it at the same time', async () => {
    const both = [hold(), hold(), hold()];
    await serve(1);
    const endpoints = await Promise.all(both.map((server) => server.endpoint(signal)));
    expect(new Set(endpoints.map(({ baseUrl }) => baseUrl)).size).toBe(1);
    expect([...head.jobs.keys()]).toEqual([idOf(key, 1)]);
  });

  test('whose submission was never sent is submitted by whoever comes next', async () => {
    await s3.store.putJson(serverRecords(key).job, {
      ...{ address: head.address, submissionId: idOf(key, 1), attempt: 1, submitted: false },
    });
    const server = hold();
    await serve(1);
    expect((await server.endpoint(signal)).key).toBe('key-1');
  });
});

describe('a server that is up', () => {
  test('is attached to by the next worker; the one that went left it alone', async () => {
    const first = hold();
    await serve(1);
    const endpoint = await first.endpoint(signal);
    await first.close();
    expect(await hold().endpoint(signal)).toEqual(endpoint);
    expect(head.jobs.size).toBe(1);
    expect(head.stops).toEqual([]);
    expect(await valueOf(serverRecords(key).stop(1))).toBeUndefined();
  });

  test('has its lease renewed while it is held', async () => {
    hold({ lease: 100 });
    await serve(1);
    const renewals = async () => (await valueOf(serverRecords(key).hold(1)))?.['renewals'];
    const first = await until('a renewal', renewals, 30, 5);
    await until('another one', async () => (await renewals()) !== first, 30, 5);
  });

  test('serves on while its head is away', async () => {
    const server = hold();
    const serving = await serve(1);
    await server.endpoint(signal);
    const port = Number(new URL(head.address).port);
    await head.close();
    server.doubt({ baseUrl: `${serving.url}/v1`, key: 'key-1' });
    expect((await server.endpoint(signal)).key).toBe('key-1');
    const another = hold();
    expect((await another.endpoint(signal)).key).toBe('key-1');
    await head.reopen(port);
    expect(head.jobs.size).toBe(1);
  });

  test('that is asked to end is not attached to: the next attempt is', async () => {
    const server = hold();
    await serve(1);
    await server.endpoint(signal);
    await server.close();
    await releaseServer(s3.store, wish);
    const next = hold();
    await serve(2);
    expect((await next.endpoint(signal)).key).toBe('key-2');
    expect(head.stops).toEqual([idOf(key, 1)]);
  });

  test('that is released under the hands of a holder is followed by none', async () => {
    const server = hold();
    const serving = await serve(1);
    const endpoint = await server.endpoint(signal);
    await releaseServer(s3.store, wish);
    await serving.close();
    Object.assign(serving.job, { status: 'SUCCEEDED', exitCode: 0 });
    server.doubt(endpoint);
    await expect(server.endpoint(signal)).rejects.toMatchObject({ type: 'JudgeUnreachable' });
    expect(head.jobs.size).toBe(1);
  });

  test('of nobody is nothing to release', async () => {
    await releaseServer(s3.store, wish);
    expect(await valueOf(serverRecords(key).job)).toBeUndefined();
  });
});

describe('a server that dies', () => {
  const question = (index: number) => ({
    ...{
      conversation: [{ role: 'user' as const, content: `Question ${index}?` }],
      answerA: 'a',
      answerB: 'b',
      sample: 0,
    },
  });

  test('in the middle of its questions is followed by the next attempt, and nothing answered is asked again', async () => {
    const server = hold();
    const bare = servedJudge(
      server,
      { sha256: wish.model.sha256, precision: 'bfloat16', promptVersion: 'plain-v1' },
      samplingSchema.parse({}),
    );
    const patience = new Patience(bare.concurrency, { firstPauseMs: 1 });
    const open = () => storedJudge(patientJudge(bare, patience), s3.store);
    const judge = await open();
    const first = await serve(1, (_, index) =>
      index < 3 ? { text: '<answer>[[A]]</answer>' } : { never: true },
    );
    const asked = Promise.all(Array.from({ length: 12 }, (_, index) => judge.ask(question(index), signal)));
    await until('a question without an answer', () => first.questions.length > 3, 30, 5);
    await first.die(
      70,
      'RMR1_EVENT {"type":"failed","error":{"type":"ServerDied","message":"the server ended"}}\n',
    );
    const second = await serve(2, () => ({ text: '<answer>[[B]]</answer>' }));
    const verdicts = (await asked).map(({ verdict }) => verdict);
    expect(verdicts.filter((verdict) => verdict === 'A')).toHaveLength(3);
    expect(second.questions).toHaveLength(9);
    const texts = second.questions.map(({ messages }) => JSON.stringify(messages));
    const answeredFirst = first.questions.slice(0, 3).map(({ messages }) => JSON.stringify(messages));
    expect(texts.filter((text) => answeredFirst.includes(text))).toEqual([]);
    expect(await valueOf(serverRecords(key).stop(1))).toBeDefined();
    const later = await open();
    const again = await Promise.all(
      Array.from({ length: 12 }, (_, index) => later.ask(question(index), signal)),
    );
    expect(again.map(({ verdict }) => verdict)).toEqual(verdicts);
    expect(second.questions).toHaveLength(9);
  });

  test('with its head is brought up again where the head is back', async () => {
    const server = hold();
    const serving = await serve(1);
    const before = await server.endpoint(signal);
    await serving.close();
    head.jobs.clear();
    server.doubt(before);
    await serve(2);
    expect((await server.endpoint(signal)).key).toBe('key-2');
  });

  test('whose head stays away is brought up on another cluster', async () => {
    const other = await ScriptedHead.start();
    try {
      vi.stubEnv('RMR1_RAY_ADDRESS', `${head.address},${other.address}`);
      const server = hold({ away: 50 });
      const serving = await serve(1);
      const before = await server.endpoint(signal);
      await serving.close();
      await head.close();
      server.doubt(before);
      servers.push(await ScriptedServer.of(s3.store, other, key, 2));
      expect((await server.endpoint(signal)).key).toBe('key-2');
    } finally {
      await head.reopen(0);
      await other.close();
    }
  });

  test('is given up after three starts without an answer, with its last words', async () => {
    const server = hold();
    const failing = (async () => {
      for (const attempt of [1, 2, 3]) {
        const job = await submitted(head, key, attempt);
        Object.assign(job, { status: 'FAILED', exitCode: 70, log: 'CUDA out of memory\n' });
      }
    })();
    await expect(server.endpoint(signal)).rejects.toMatchObject({
      type: 'JudgeServerFailed',
      message: expect.stringContaining('CUDA out of memory') as string,
    });
    await failing;
    expect(head.jobs.size).toBe(3);
  });

  test('because vLLM is not there is given up at once', async () => {
    const server = hold();
    const job = await submitted(head, key, 1);
    const error = { type: 'BadJob', message: "'vllm' is not on the node's PATH" };
    const log = `RMR1_EVENT ${JSON.stringify({ type: 'failed', error })}\n`;
    Object.assign(job, { status: 'FAILED', exitCode: 64, log });
    await expect(server.endpoint(signal)).rejects.toMatchObject({
      type: 'JudgeServerFailed',
      message: expect.stringContaining("'vllm' is not on the node's PATH") as string,
    });
    expect(head.jobs.size).toBe(1);
  });
});

describe('a cluster', () => {
  test('that is too small for the server says so', async () => {
    const server = hold({ start: 20 });
    await expect(server.endpoint(signal)).rejects.toMatchObject({
      type: 'RayTooSmall',
      message: expect.stringMatching(/has 0 GPUs and 2 CPUs, the judge's server reserves 2 and 1/) as string,
    });
    expect(head.stops).toEqual([idOf(key, 1)]);
  });

  test('whose nodes the worker does not reach is named, not waited for', async () => {
    const server = hold({ unwell: 20 });
    const unreachable = (async () => {
      for (const attempt of [1, 2, 3]) {
        servers.push(await ScriptedServer.of(s3.store, head, key, attempt, undefined, false));
      }
    })();
    await expect(server.endpoint(signal)).rejects.toMatchObject({
      type: 'JudgeServerFailed',
      message: expect.stringContaining('must reach the nodes') as string,
    });
    await unreachable;
  });

  test('that refuses the token stops the waiting', async () => {
    head.token = 'secret';
    await expect(hold().endpoint(signal)).rejects.toMatchObject({ type: 'RayCredentials' });
  });
});

describe('whoever waits', () => {
  test('leaves when it is aborted, and is told when the server is held no more', async () => {
    const server = hold();
    const abort = new AbortController();
    const waiting = server.endpoint(abort.signal);
    const other = server.endpoint(signal);
    abort.abort(new Error('the activity was cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
    const told = expect(other).rejects.toThrow('not held');
    await server.close();
    await told;
  });
});

describe('a server of somebody else', () => {
  async function standing(id: string) {
    return startScripted(({ path }) => ({ body: path === '/v1/models' ? { data: [{ id }] } : {} }));
  }

  test('is asked where it serves this very model: nothing is submitted', async () => {
    const other = await standing('another-model');
    const right = await standing(servedName(wish.model));
    try {
      const env = {
        RMR1_JUDGE_SERVER: `http://127.0.0.1:9, ${other.baseUrl},${right.baseUrl.replace('/v1', '/')}`,
      };
      const server = serverFor(s3.store, wish, { env, deadlines: CALM });
      held.push(server);
      expect(await server.endpoint(signal)).toEqual({ baseUrl: right.baseUrl, key: undefined });
      expect(head.calls).toEqual([]);
    } finally {
      await Promise.all([other.close(), right.close()]);
    }
  });

  test('of another model is passed over', async () => {
    const other = await standing('another-model');
    try {
      const env = { RMR1_JUDGE_SERVER: other.baseUrl };
      const server = serverFor(s3.store, wish, { env, deadlines: CALM });
      held.push(server);
      const found = server.endpoint(signal);
      await serve(1);
      expect((await found).key).toBe('key-1');
    } finally {
      await other.close();
    }
  });

  test('and one of ours are not looked for before there is a question', async () => {
    const server = serverFor(s3.store, wish, { env: {}, deadlines: CALM });
    await server.close();
    expect(head.calls).toEqual([]);
  });
});
