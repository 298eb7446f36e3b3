import { join } from 'node:path';
import { openBareJudge } from '../../activities/evaluation/judges/open-judge.js';
import { hashFile } from '../../activities/artifacts/hashing.js';
import { startJudgeServer, type JudgeServer } from '../../serving/server.js';
import { ClientError } from '../errors.js';
import { EXIT } from '../exit-codes.js';
import { listenForInterrupt } from '../interrupt.js';
import { chooseJudge, type JudgeChoice, type JudgeChoiceOptions } from '../judge/judge-choice.js';
import type { SharedOptions } from '../options.js';
import { remark } from '../output.js';

export interface ServeCommandOptions extends SharedOptions, JudgeChoiceOptions {
  host: string;
  port: number;
  requestTimeout: number;
  maxBody: number;
  maxPending: number;
}

const WEIGHTS = 'model.safetensors';

export async function run(options: ServeCommandOptions): Promise<number> {
  const token = process.env['RMR1_SERVE_TOKEN'];
  if (!isLoopback(options.host) && !token) {
    throw new ClientError(
      'Usage',
      `--host ${options.host} is reachable from other machines: set RMR1_SERVE_TOKEN, which clients must then send as a bearer token.`,
    );
  }
  const choice = await chooseJudge(options);
  if (choice.settings.kind === 'oracle')
    throw new ClientError(
      'Usage',
      'The control oracle needs items whose better answer is known; it cannot be served.',
    );
  if (choice.settings.kind === 'vllm')
    throw new ClientError(
      'Usage',
      '--judge vllm brings up a server for an evaluation alone: start vLLM yourself and give its --base-url.',
    );
  const interrupt = listenForInterrupt(() => process.exit(interrupt.exitCode()));
  let server: JudgeServer | undefined;
  const { judge } = await openBareJudge(choice.settings, choice.sampling, {
    ...(await localModel(choice)),
    onBatch: ({ rows }) => server?.metrics.batches.observe(rows),
  });
  try {
    server = await startJudgeServer(judge, {
      host: options.host,
      port: options.port,
      model: nameOf(choice, options),
      ...(token ? { token } : {}),
      maxBodyBytes: options.maxBody,
      timeoutSeconds: options.requestTimeout,
      maxPending: options.maxPending,
    });
    announce(server, choice, options.json === true);
    await stopped(interrupt.signal);
    remark('Stopping: requests under way are finished first; the same signal again ends at once.');
    await server.close();
    return interrupt.exitCode() === EXIT.interrupted ? EXIT.interrupted : EXIT.ok;
  } finally {
    await judge.close();
    interrupt.dispose();
  }
}

async function localModel({ local }: JudgeChoice) {
  if (!local) return {};
  const { sha256 } = await hashFile(join(local.dir, WEIGHTS));
  return { localModel: { dir: local.dir, sha256 } };
}

function nameOf({ settings }: JudgeChoice, { model }: ServeCommandOptions): string {
  return model?.join('+') ?? settings.kind;
}

function announce({ url }: JudgeServer, { settings }: JudgeChoice, json: boolean): void {
  const line = json
    ? JSON.stringify({ url, judge: settings.kind, pid: process.pid })
    : `Serving the judge at ${url}  (POST /judge, POST /v1/chat/completions, /healthz, /metrics). Ctrl-C stops it.`;
  process.stdout.write(`${line}\n`);
}

function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
