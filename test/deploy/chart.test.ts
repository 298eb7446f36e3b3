/** The Helm chart: rendered, valid for Kubernetes, and never the end of a trainer at work. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { temporalConfig } from '../../temporal.config.js';
import { CHART, KUBERNETES, pods, render, the, type Manifest } from './manifests.js';
import { pathOf, runTool, withTool } from './tools.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-chart-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Seconds that a worker is promised (docs/operations.md). */
const GRACE_SECONDS = 150;
const SECRET_NAME = /(KEY|TOKEN|SECRET|PASSWORD)(_ID)?$/;
const EVERYTHING = {
  files: ['values-temporal-cloud.yaml'],
  set: {
    'judge.enabled': 'true',
    'judge.model': 'owner/name',
    's3.credentialsSecret': 'store',
    's3.endpoint': 'http://s3:8333',
    'temporal.tls.secret': 'temporal-tls',
    buildId: 'build-1',
  },
};
const settings = [
  ['defaults', {}],
  ['Temporal Cloud, a judge and everything else', EVERYTHING],
  [
    'neither Ray nor autoscaling',
    { set: { 'ray.enabled': 'false', 'workers.training.autoscaling.enabled': 'false' } },
  ],
] as const;

describe.skipIf(!pathOf('helm')).each(settings)(withTool('helm', 'the chart with %s'), (_name, values) => {
  test('has a worker for each task queue of the code, with time for a last checkpoint', () => {
    const manifests = render(values);
    const workers = pods(manifests).filter(({ spec }) => spec.containers[0]!.name === 'worker');
    expect(workers.map(({ spec }) => spec.containers[0]!.args![0]).sort()).toEqual(
      Object.keys(temporalConfig.taskQueues).sort(),
    );
    for (const { spec } of workers)
      expect(spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(GRACE_SECONDS);
  });

  test('takes every secret by reference', () => {
    let references = 0;
    for (const { spec } of pods(render(values)))
      for (const { env = [] } of spec.containers)
        for (const { name, value, valueFrom } of env) {
          if (!SECRET_NAME.test(name) || name === 'AWS_REGION') continue;
          expect(value, name).toBeUndefined();
          expect(valueFrom?.secretKeyRef, name).toBeDefined();
          references += 1;
        }
    const { set } = values as { set?: Record<string, string> };
    expect(references > 0).toBe(set?.['ray.enabled'] !== 'false');
  });

  test('leaves no variables of Kubernetes among the TEMPORAL_ ones', () => {
    for (const { spec, of } of pods(render(values))) expect(spec.enableServiceLinks, of).toBe(false);
  });

  test.skipIf(!pathOf('kubernetes-validate'))(
    withTool('kubernetes-validate', 'is valid, without a field that Kubernetes does not know'),
    () => {
      // Schemas of KEDA and KubeRay come with their operators.
      const known = render(values).filter(({ apiVersion }) =>
        ['v1', 'apps/v1', 'policy/v1'].includes(apiVersion),
      );
      expect(known.length).toBeGreaterThan(6);
      const file = join(dir, 'manifests.yaml');
      writeFileSync(file, known.map((manifest) => `---\n${stringify(manifest)}`).join(''));
      const said = runTool('kubernetes-validate', ['--kubernetes-version', KUBERNETES, '--strict', file]);
      expect(said.match(/passed/g)).toHaveLength(known.length);
    },
  );
});

describe.skipIf(!pathOf('helm'))(withTool('helm', 'a trainer at work'), () => {
  type Scaled = {
    minReplicaCount: number;
    advanced: { horizontalPodAutoscalerConfig: { behavior: { scaleDown: object } } };
  };

  test('is stopped neither by the scaler, nor by a drained node, nor by an autoscaler of nodes', () => {
    const manifests = render();
    const scaled = the(manifests, 'ScaledObject', 'rmr1-training').spec as unknown as Scaled;
    // From the last replica to none, KEDA goes on its own, past every policy.
    expect(scaled.minReplicaCount).toBeGreaterThanOrEqual(1);
    expect(scaled.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown).toEqual({
      selectPolicy: 'Disabled',
    });
    expect(the(manifests, 'PodDisruptionBudget', 'rmr1-training').spec.maxUnavailable).toBe(0);
    for (const { of, annotations } of pods(manifests).filter(({ of }) => /training|-ray$/.test(of)))
      expect(annotations['cluster-autoscaler.kubernetes.io/safe-to-evict'], of).toBe('false');
  });

  test('is counted on its own queue, and others may shrink slowly', () => {
    const manifests = render();
    for (const [kind, taskQueue] of Object.entries(temporalConfig.taskQueues)) {
      const { triggers } = the(manifests, 'ScaledObject', `rmr1-${kind}`).spec as unknown as {
        triggers: { type: string; metadata: Record<string, string> }[];
      };
      expect(triggers).toHaveLength(1);
      expect(triggers[0]).toMatchObject({ type: 'temporal', metadata: { taskQueue, namespace: 'rmr1' } });
    }
  });

  test('finds its Ray cluster under the name that the operator gives its service', () => {
    const manifests = render();
    const ray = the(manifests, 'RayCluster', 'rmr1-ray');
    const worker = pods([the(manifests, 'Deployment', 'rmr1-training')])[0]!.spec.containers[0]!;
    const address = worker.env!.find(({ name }) => name === 'RMR1_RAY_ADDRESS')!.value;
    expect(address).toBe(`http://${ray.metadata.name}-head-svc:8265`);
    const token = (pod: Manifest['spec']) =>
      JSON.stringify(pod).match(/"secretKeyRef":\{"name":"rmr1-ray","key":"token"\}/g);
    // Head and nodes check what the worker presents.
    expect(token(ray.spec)).toHaveLength(2);
  });

  test('asks the judge that stands beside it, under the name that a run gives its model', () => {
    const set = { 'judge.enabled': 'true', 'judge.model': '/models/judge', 'judge.servedName': 'rmr1-0123' };
    const manifests = render({ set });
    const { metadata } = the(manifests, 'Service', 'rmr1-judge');
    const containerOf = (name: string) => pods([the(manifests, 'Deployment', name)])[0]!.spec.containers[0]!;
    const worker = containerOf('rmr1-training');
    const address = worker.env!.find(({ name }) => name === 'RMR1_JUDGE_SERVER')!.value;
    expect(address).toBe(`http://${metadata.name}:8000`);
    expect(containerOf('rmr1-judge').args).toContain('--served-model-name=rmr1-0123');
  });

  test('a judge without a model, and a scaler that may go to nothing, are refused by name', () => {
    expect(() => render({ set: { 'judge.enabled': 'true' } })).toThrow(/judge\.model: name a model/);
    expect(() => render({ set: { 'workers.training.autoscaling.min': '0' } })).toThrow(
      /autoscaling\/min|minimum/,
    );
  });
});

test.skipIf(!pathOf('helm'))(withTool('helm', 'helm finds no fault'), () => {
  expect(runTool('helm', ['lint', '--strict', CHART, '--kube-version', KUBERNETES])).toMatch(
    /0 chart\(s\) failed/,
  );
});
