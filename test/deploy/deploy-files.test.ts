/** Compose, images, scripts and profiles: read by their own tools where these are at hand, and held against the code. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { connectionProfile } from '../../infra/connection-profile.js';
import { projectRoot } from '../../infra/environment.js';
import { temporalConfig } from '../../temporal.config.js';
import { DEPLOY } from './manifests.js';
import { pathOf, runTool, withTool } from './tools.js';

const read = (...path: string[]) => readFileSync(join(DEPLOY, ...path), 'utf8');
const filled = { POSTGRES_PASSWORD: 'a', AWS_ACCESS_KEY_ID: 'b', AWS_SECRET_ACCESS_KEY: 'c' };

interface Service {
  command?: string[];
  ports?: { host_ip?: string }[];
  stop_grace_period?: string;
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
}

/** As docker compose resolves it. */
function composed(env: Record<string, string>): Record<string, Service> {
  const file = join(DEPLOY, 'compose/compose.yaml');
  const said = runTool(
    'docker-compose',
    ['--file', file, '--env-file', '/dev/null', 'config', '--format', 'json'],
    { env },
  );
  return (JSON.parse(said) as { services: Record<string, Service> }).services;
}

describe.skipIf(!pathOf('docker-compose'))(withTool('docker-compose', 'one box with GPUs'), () => {
  test('has a worker for each task queue, which may finish its checkpoint and waits for its servers', () => {
    const services = composed(filled);
    for (const kind of Object.keys(temporalConfig.taskQueues)) {
      expect(services[kind]).toMatchObject({ command: [kind], stop_grace_period: '2m30s' });
      expect(Object.keys(services[kind]!.depends_on!)).toEqual(
        expect.arrayContaining(['temporal-setup', 's3-setup']),
      );
    }
    expect(services.training!.environment).toMatchObject({ RMR1_RAY_ADDRESS: 'http://ray:8265' });
    // Keys of oracles are for the worker that asks them, and for no trainer.
    expect(services.oracle!.environment).toHaveProperty('ANTHROPIC_API_KEY');
    for (const kind of ['training', 'orchestration'])
      expect(services[kind]!.environment).not.toHaveProperty('ANTHROPIC_API_KEY');
  });

  test('opens its ports on loopback only', () => {
    const ports = Object.values(composed(filled)).flatMap((service) => service.ports ?? []);
    expect(ports.length).toBeGreaterThan(3);
    for (const { host_ip: address } of ports) expect(address).toBe('127.0.0.1');
  });

  test.each(Object.keys(filled))('does not start without %s, and names it', (name) => {
    expect(() => composed({ ...filled, [name]: '' })).toThrow(new RegExp(`${name}.*set it in \\.env`, 's'));
    expect(read('compose/.env.example')).toMatch(new RegExp(`^${name}=$`, 'm'));
  });
});

test.skipIf(!pathOf('hadolint'))(withTool('hadolint', 'images are built as they should be'), () => {
  const files = ['worker', 'trainer'].map((name) => join(DEPLOY, `images/${name}.Dockerfile`));
  expect(runTool('hadolint', ['--failure-threshold', 'warning', '--no-color', ...files])).not.toMatch(
    /warning|error/,
  );
});

describe('the image of the worker', () => {
  const lines = read('images/worker.Dockerfile').split('\n');

  test('copies what there is, and lets its build see every folder of the sources', () => {
    const allowed = read('images/worker.Dockerfile.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'));
    for (const path of allowed) expect(existsSync(join(projectRoot(), path.slice(1))), path).toBe(true);
    const { include } = JSON.parse(readFileSync(join(projectRoot(), 'tsconfig.json'), 'utf8')) as {
      include: string[];
    };
    for (const pattern of include) {
      const folder = pattern.split('/')[0]!;
      if (!folder.startsWith('*')) expect(allowed, pattern).toContain(`!${folder}`);
    }
  });

  test('runs as nobody in particular, and its workers hear SIGTERM themselves', () => {
    expect(lines).toContain('USER node');
    expect(lines.find((line) => line.startsWith('ENTRYPOINT'))).toBe(
      'ENTRYPOINT ["node", "dist/workers/main.js"]',
    );
  });
});

describe('scripts', () => {
  const scripts = ['slurm/ray.sbatch', 'temporal/schema.sh', 'temporal/namespace.sh'].map((name) =>
    join(DEPLOY, name),
  );

  test('are understood by the shell they name', () => {
    for (const script of scripts) {
      const [, shell] = /^#!\/bin\/(\w+)/.exec(readFileSync(script, 'utf8'))!;
      execFileSync(shell!, ['-n', script]);
    }
  });

  test.skipIf(!pathOf('shellcheck'))(withTool('shellcheck', 'have none of the usual faults'), () => {
    expect(runTool('shellcheck', scripts)).toBe('');
  });

  test('make the namespace and search attributes of the code', () => {
    const script = read('temporal/namespace.sh');
    const [, listed] = /for attribute in (.*); do/.exec(script)!;
    const spelt = { KEYWORD: 'Keyword', DOUBLE: 'Double', INT: 'Int' };
    expect(listed!.split(' ')).toEqual(
      Object.entries(temporalConfig.searchAttributes).map(([name, type]) => `${name}=${spelt[type]}`),
    );
    expect(script).toContain(`--retention ${temporalConfig.retentionDays}d`);
  });
});

describe('Temporal Cloud', () => {
  const env = (profile: string, more = {}) => ({
    TEMPORAL_CONFIG_FILE: join(DEPLOY, 'temporal/cloud.toml'),
    TEMPORAL_PROFILE: profile,
    ...more,
  });

  test('by key: the profile has the address, the environment the key', () => {
    const found = connectionProfile(env('cloud-key', { TEMPORAL_API_KEY: 'secret' }));
    expect(found).toMatchObject({ address: 'REGION.api.temporal.io:7233', namespace: 'NAMESPACE.ACCOUNT' });
    expect(found.credentials).toMatchObject({ apiKey: 'secret' });
    expect(found.credentials.tls).toBeTruthy();
    expect(read('temporal/cloud.toml')).not.toMatch(/^\s*api_key/m);
  });

  test('by certificate: it is looked for where the chart mounts it', () => {
    expect(() => connectionProfile(env('cloud-mtls'))).toThrow(/etc\/rmr1\/temporal\/tls\.(crt|key)/);
  });
});

test('versions of Ray agree between images, chart and the requirements of its jobs', () => {
  const values = parse(read('helm/rmr1/values.yaml')) as { ray: { version: string } };
  const [, image] = /rayproject\/ray:([\d.]+)-/.exec(read('images/trainer.Dockerfile'))!;
  expect(values.ray.version).toBe(image);
  const requirements = join(projectRoot(), 'infra/ray/requirements.txt');
  if (existsSync(requirements))
    expect(readFileSync(requirements, 'utf8')).toMatch(new RegExp(`^ray(\\[\\w+\\])?==${image}`, 'm'));
});
