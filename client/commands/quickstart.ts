import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { homeDirectory } from '../../infra/environment.js';
import { StackFile } from '../../infra/local/stack-file.js';
import { isRunning } from '../../infra/local/process.js';
import { loadRecipe } from '../../recipes/load.js';
import type { PipelineStage } from '../../workflows/inputs.js';
import { ClientError, isClientError } from '../errors.js';
import { follow } from '../follow.js';
import { listenForInterrupt } from '../interrupt.js';
import { giveUpOwnership, isLive, readOwner, takeOwnership } from '../local/owner.js';
import { LocalServices } from '../local/services.js';
import type { SharedOptions } from '../options.js';
import { remark } from '../output.js';
import { parseOverrides, SHORT_OVERRIDES } from '../overrides.js';
import { quickstartId } from '../run-id.js';
import type { RunHandle } from '../run-handle.js';
import { validateInput } from '../validate-input.js';
import { showResult } from './show-result.js';
import { withClient } from './with-run.js';

export interface QuickstartOptions extends SharedOptions {
  seed?: number;
  fresh?: boolean;
  short?: boolean;
  gate?: PipelineStage[];
  set?: string[];
}

const RECIPE = 'quickstart';

export async function run(options: QuickstartOptions): Promise<number | void> {
  const input = {
    recipe: RECIPE,
    seed: options.seed ?? loadRecipe(RECIPE).seed,
    overrides: { ...(options.short ? SHORT_OVERRIDES : {}), ...parseOverrides(options.set) },
    startedBy: userInfo().username,
    ...(options.gate ? { gates: options.gate } : {}),
  };
  const resolved = validateInput(input);
  loadRecipe(RECIPE, resolved.overrides);

  const home = homeDirectory();
  const stackIsTheirs = await claim(home);
  if (options.fresh) await putAside(home, stackIsTheirs);
  if (!stackIsTheirs) takeOwnership(home, 'quickstart');

  let services: LocalServices | undefined;
  const interrupt = listenForInterrupt(() => {
    remark('Killing everything that was started');
    void (services?.kill() ?? Promise.resolve()).finally(() => process.exit(interrupt.exitCode()));
  });
  try {
    services = await LocalServices.start({
      signal: interrupt.signal,
      onProgress: remark,
      adopt: !stackIsTheirs,
    });
    return await trainAndShow(services, quickstartId(resolved), input, options.json === true, interrupt);
  } finally {
    await services?.stop();
    if (!stackIsTheirs) giveUpOwnership(home);
    if (interrupt.signal.aborted)
      remark('Stopped; nothing is left running. The same command resumes the run.');
    interrupt.dispose();
  }
}

/**
 * Whether a stack that a person started with `rmr1 up` is used and left alone at the end.
 * @throws ClientError while another quickstart looks after this home.
 */
async function claim(home: string): Promise<boolean> {
  const owner = readOwner(home);
  if (owner?.command === 'quickstart' && isLive(owner)) {
    throw new ClientError(
      'Usage',
      `Another quickstart (process ${owner.pid}) runs in ${home}. Watch it with \`rmr1 watch\`, or choose another home with --home.`,
    );
  }
  const { servers, services } = await new StackFile(home).read();
  const alive = [...Object.values(servers), ...services].some((record) => isRunning(record));
  return alive && owner !== undefined && isLive(owner);
}

/** Earlier runs are kept, in a folder that nothing reads any more. */
async function putAside(home: string, stackIsUp: boolean): Promise<void> {
  if (stackIsUp) {
    throw new ClientError('Usage', `--fresh needs the stack in ${home} to be down: run \`rmr1 down\` first.`);
  }
  await LocalServices.adopted().stop();
  const parts = ['temporal', 's3', 'cache', 'runs', 'work', 'models', 'oracle', 'logs'].filter((part) =>
    existsSync(join(home, part)),
  );
  if (parts.length === 0) return;
  const aside = join(home, `before-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`);
  await mkdir(aside, { recursive: true });
  for (const part of parts) await rename(join(home, part), join(aside, part));
  remark(`Earlier runs are kept in ${aside}; delete it when they are not needed.`);
}

async function trainAndShow(
  services: LocalServices,
  workflowId: string,
  input: Parameters<typeof validateInput>[0],
  json: boolean,
  interrupt: ReturnType<typeof listenForInterrupt>,
): Promise<number | void> {
  return withClient(async (client) => {
    const finished = await finishedBefore(client.run(workflowId));
    const handle = await client.train(input, { workflowId });
    remark(`${finished ? 'Finished before' : 'Run'}: ${workflowId}`);
    if (handle.uiUrl) remark(`Temporal UI: ${handle.uiUrl}`);

    const watching = new AbortController();
    const signal = AbortSignal.any([interrupt.signal, watching.signal]);
    const alive = services.keepAlive(signal);
    const following = follow(handle, { json, signal });
    const followed = await Promise.race([
      following,
      // Resolves only when watching has ended; what matters here is that it throws.
      alive.then(() => ({ end: 'aborted' as const })),
    ]).finally(async () => {
      watching.abort();
      // A call under way would be repeated on the closed connection, outside of any promise.
      await following.catch(() => undefined);
    });
    if (followed.end === 'aborted') return interrupt.exitCode();
    await showResult(followed.result, json, followed.result.workflowId);
    remark(
      `Another run: rmr1 quickstart --seed ${(input.seed ?? 1) + 1}   All over again: rmr1 quickstart --fresh`,
    );
  });
}

async function finishedBefore(handle: RunHandle): Promise<boolean> {
  try {
    return (await handle.status()).status === 'COMPLETED';
  } catch (error) {
    if (isClientError(error, 'RunNotFound')) return false;
    throw error;
  }
}
