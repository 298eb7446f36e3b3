import { describe, expect, it } from 'vitest';
import { ClientError } from '../../client/errors.js';
import type { RunStatus } from '../../client/run-handle.js';
import { watchRun, type Watchable } from '../../client/watch.js';
import type { RunProgress } from '../../workflows/messages.js';
import { training } from './progress-samples.js';

const quick = { intervalMs: 1 };
const status = (name: RunStatus['status']): RunStatus => ({
  workflowId: 'run',
  status: name,
  startedAt: new Date(0),
  memo: {},
});
const at = (state: RunProgress['state']): RunProgress => ({ ...training, state });
const silent = new ClientError('WorkerMissing', 'no worker');

/** Each look takes the next answer; the last one stays. */
function scripted(answers: { status: RunStatus['status']; progress: RunProgress | Error }[]): Watchable {
  let look = -1;
  const answer = () => answers[Math.min(look, answers.length - 1)]!;
  return {
    status: () => {
      look += 1;
      return Promise.resolve(status(answer().status));
    },
    progress: () => {
      const { progress } = answer();
      return progress instanceof Error ? Promise.reject(progress) : Promise.resolve(progress);
    },
  };
}

async function states(run: Watchable, options = {}): Promise<string[]> {
  const seen = [];
  for await (const { state } of watchRun(run, { ...quick, ...options })) seen.push(state);
  return seen;
}

describe('watching', () => {
  it('yields each change once and the last state after the run has closed', async () => {
    const run = scripted([
      { status: 'RUNNING', progress: at('running') },
      { status: 'RUNNING', progress: at('running') },
      { status: 'RUNNING', progress: at('paused') },
      { status: 'COMPLETED', progress: at('completed') },
    ]);
    expect(await states(run)).toEqual(['running', 'paused', 'completed']);
  });

  it('rides out a worker that restarts', async () => {
    const run = scripted([
      { status: 'RUNNING', progress: at('running') },
      { status: 'RUNNING', progress: silent },
      { status: 'RUNNING', progress: silent },
      { status: 'COMPLETED', progress: at('completed') },
    ]);
    expect(await states(run)).toEqual(['running', 'completed']);
  });

  it('gives up on a worker that stays away', async () => {
    const run = scripted([{ status: 'RUNNING', progress: silent }]);
    await expect(states(run, { patienceMs: 5 })).rejects.toThrow('no worker');
  });

  it('ends quietly where the run has closed and no worker can tell its last state', async () => {
    const run = scripted([{ status: 'FAILED', progress: silent }]);
    expect(await states(run, { patienceMs: 5 })).toEqual([]);
  });

  it('does not hide other errors', async () => {
    const run = scripted([{ status: 'RUNNING', progress: new ClientError('RunNotFound', 'no such run') }]);
    await expect(states(run)).rejects.toThrow('no such run');
  });

  it('stops at once when told to', async () => {
    const stop = new AbortController();
    const run = scripted([{ status: 'RUNNING', progress: at('running') }]);
    const seen = [];
    for await (const { state } of watchRun(run, { intervalMs: 60_000, signal: stop.signal })) {
      seen.push(state);
      setImmediate(() => stop.abort());
    }
    expect(seen).toEqual(['running']);
  });
});
