import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unzipSync } from 'fflate';
import { clustersFromEnvironment } from '../../activities/ray/clusters.js';
import { packTrainingCode } from '../../activities/ray/code-package.js';
import { RayJobsApi } from '../../activities/ray/jobs-api.js';
import { ScriptedHead } from './scripted-head.js';

let head: ScriptedHead;
beforeEach(async () => (head = await ScriptedHead.start()));
afterEach(() => head.close());

const request = {
  submissionId: 'rmr1-sft-abc-1',
  entrypoint: 'python -m rmr1_ray',
  workingDir: 'gcs://_ray_pkg_1.zip',
  environment: { RMR1_SPEC: 'k' },
  metadata: { stage: 'sft' },
  cpus: 2,
  gpus: 0,
};

describe('submitting', () => {
  it('the same id twice runs one job, whoever asks', async () => {
    const api = new RayJobsApi({ address: head.address });
    const answers = await Promise.all([api.submit(request), api.submit(request)]);
    expect(answers.sort()).toEqual(['exists', 'submitted']);
    expect(head.jobs.get(request.submissionId)?.request).toEqual({
      entrypoint: 'python -m rmr1_ray',
      submission_id: 'rmr1-sft-abc-1',
      runtime_env: { working_dir: 'gcs://_ray_pkg_1.zip', env_vars: { RMR1_SPEC: 'k' } },
      metadata: { stage: 'sft' },
      entrypoint_num_cpus: 2,
    });
  });

  it('the code goes up once, under the hash of its content', async () => {
    const api = new RayJobsApi({ address: head.address });
    const [first, second] = [await packTrainingCode(), await packTrainingCode()];
    expect(Buffer.from(first.zip).equals(Buffer.from(second.zip))).toBe(true);
    await api.ensurePackage(first.name, first.zip);
    await api.ensurePackage(second.name, second.zip);
    expect(head.calls.filter((call) => call.startsWith('PUT'))).toEqual([
      `PUT /api/packages/gcs/${first.name}`,
    ]);
    expect(Object.keys(unzipSync(head.packages.get(first.name)!))).toContain('rmr1_ray/__main__.py');
  });
});

describe('what a cluster answers', () => {
  it('404 for a job is no failure', async () => {
    expect(await new RayJobsApi({ address: head.address }).find('nobody')).toBeUndefined();
  });

  it('a token is sent; a wrong one is the person’s to mend', async () => {
    head.token = 'secret-1';
    const good = new RayJobsApi({ address: head.address, token: 'secret-1' });
    expect(await good.submit(request)).toBe('submitted');
    const bad = new RayJobsApi({ address: head.address, token: 'old' });
    await expect(bad.submit(request)).rejects.toMatchObject({ type: 'RayCredentials' });
    await expect(bad.find('x')).rejects.not.toThrow('old');
  });

  it.each([
    [{ status: 200, text: '<html>a proxy' }, 'RaySettings'],
    [{ status: 500, text: 'Traceback\nValueError: no runtime env' }, 'RayRefused'],
    [{ status: 503, text: 'starting' }, undefined],
  ])('%o is told apart', async (broken, type) => {
    head.broken = broken;
    const failure = await new RayJobsApi({ address: head.address }).find('x').catch((error: Error) => error);
    expect(failure).toMatchObject(type ? { type } : { name: 'RayUnreachable' });
  });

  it('nobody at the address is a cluster that is away, not a job that is dead', async () => {
    await head.close();
    const api = new RayJobsApi({ address: 'http://127.0.0.1:9' });
    await expect(api.find('x')).rejects.toMatchObject({ name: 'RayUnreachable' });
    await head.reopen(0);
  });
});

describe('RMR1_RAY_ADDRESS', () => {
  it('may name several clusters, tried in this order', () => {
    const clusters = clustersFromEnvironment({
      RMR1_RAY_ADDRESS: 'https://a.example/ray/, http://b:8265',
      RMR1_RAY_TOKEN: 't',
    });
    expect(clusters).toEqual([
      { address: 'https://a.example/ray', token: 't' },
      { address: 'http://b:8265', token: 't' },
    ]);
  });

  it.each([
    [undefined, 'has no RMR1_RAY_ADDRESS'],
    ['127.0.0.1:8265', 'is not a URL|must begin with http'],
    ['ray://head:10001', 'is of the Ray client'],
    ['http://user:key@head:8265', 'holds a key'],
  ])('%s is refused with the fix', (address, said) => {
    expect(() => clustersFromEnvironment({ RMR1_RAY_ADDRESS: address })).toThrow(new RegExp(said));
  });
});
