import { userInfo } from 'node:os';
import { connectionProfile } from '../../infra/connection-profile.js';
import { homeDirectory } from '../../infra/environment.js';
import { isRunning } from '../../infra/local/process.js';
import { StackFile } from '../../infra/local/stack-file.js';
import { checkBudget } from '../../recipes/check-budget.js';
import { loadRecipe } from '../../recipes/load.js';
import type { Recipe } from '../../recipes/schema.js';
import { checkClusterSupport } from '../../recipes/check-cluster-support.js';
import { checkFit } from '../../recipes/sizing/check-fit.js';
import type { PipelineStage, TrainRewardModelInput } from '../../workflows/inputs.js';
import { ClientError } from '../errors.js';
import { follow } from '../follow.js';
import { listenForInterrupt } from '../interrupt.js';
import type { SharedOptions } from '../options.js';
import { checkOracleKey, oracleOverrides } from '../oracle-choice.js';
import { print, remark } from '../output.js';
import { parseOverrides } from '../overrides.js';
import type { RewardModelClient } from '../reward-model-client.js';
import type { RunHandle } from '../run-handle.js';
import { checkPairs } from '../check-pairs.js';
import { uploadPairs } from '../upload.js';
import { validateInput } from '../validate-input.js';
import { showResult } from './show-result.js';
import { dataText } from './validate.js';
import { withClient } from './with-run.js';

export interface RunOptions extends SharedOptions {
  data?: string;
  recipe: string;
  oracle?: 'local' | 'openai' | 'anthropic';
  oracleUrl?: string;
  oracleModel?: string;
  budget?: number;
  seed?: number;
  gate?: PipelineStage[];
  set?: string[];
  id?: string;
  estimate?: boolean;
  yes?: boolean;
  detach?: boolean;
}

export async function run(options: RunOptions): Promise<number | void> {
  const input = inputOf(options);
  const resolved = validateInput(input);
  const recipe = loadRecipe(resolved.recipe, { ...oracleOverrides(resolved.oracle), ...resolved.overrides });
  checkData(recipe, options.data);
  checkBudget(recipe, resolved.budget);
  checkFit(recipe);
  const data = options.data === undefined ? undefined : await checkPairs(options.data);
  if (data) remark(dataText(data.report));
  if (options.estimate) {
    const { confirmEstimate } = await import('./estimate.js');
    await confirmEstimate(recipe, resolved.seed ?? recipe.seed, data?.pairs, options);
  }
  // After the estimate, which is worth reading also where the run cannot be started.
  if (!recipe.coldStart) checkOracleKey(recipe.oracle);
  checkClusterSupport(recipe);
  await ensureStack();
  return withClient(async (client) => {
    const handle = await start(client, input, recipe, options);
    if (options.detach) {
      return print(options.json, { workflowId: handle.workflowId, uiUrl: handle.uiUrl }, () =>
        [`Started ${handle.workflowId}.`, handle.uiUrl, `Follow it with: rmr1 watch ${handle.workflowId}`]
          .filter(Boolean)
          .join('\n'),
      );
    }
    remark(`Started ${handle.workflowId}${handle.uiUrl ? `\n${handle.uiUrl}` : ''}`);
    return watchToEnd(handle, options.json === true);
  });
}

/** On a machine where nothing was named and nothing runs, one command is enough: the stack is started and left up. */
async function ensureStack(): Promise<void> {
  if (connectionProfile().address) return;
  const { servers } = await new StackFile(homeDirectory()).read();
  if (servers.temporal && isRunning(servers.temporal)) return;
  remark('No Temporal is named and none runs here: starting the local stack. `rmr1 down` ends it.');
  const { LocalServices } = await import('../local/services.js');
  const { takeOwnership } = await import('../local/owner.js');
  await LocalServices.start({ adopt: true, onProgress: remark });
  takeOwnership(homeDirectory(), 'up --detach');
}

async function start(
  client: RewardModelClient,
  input: TrainRewardModelInput,
  recipe: Recipe,
  { data, id }: RunOptions,
): Promise<RunHandle> {
  if (data === undefined) return client.train(input, id ? { workflowId: id } : {});
  const { ref, pairs } = await uploadPairs(data);
  if (recipe.oracle.provider === 'local') {
    const { postLabels } = await import('../oracle-labels.js');
    await postLabels(pairs, recipe.oracle.baseUrl);
  }
  return client.train({ ...input, data: ref }, id ? { workflowId: id } : {});
}

/** Ctrl-C leaves the run alone: it belongs to the workers, not to this command. */
async function watchToEnd(handle: RunHandle, json: boolean): Promise<number | void> {
  const interrupt = listenForInterrupt(() => process.exit(interrupt.exitCode()));
  try {
    const followed = await follow(handle, { json, signal: interrupt.signal });
    if (followed.end === 'completed') return await showResult(followed.result, json, handle.workflowId);
    remark(
      `${handle.workflowId} goes on; \`rmr1 watch ${handle.workflowId}\` shows it, \`rmr1 cancel\` stops it.`,
    );
    return interrupt.exitCode();
  } finally {
    interrupt.dispose();
  }
}

/** The run's input as the command line describes it, with the data file still to be uploaded. */
export function inputOf(options: RunOptions): TrainRewardModelInput {
  const oracle = {
    ...(options.oracle ? { provider: options.oracle } : {}),
    ...(options.oracleUrl ? { baseUrl: options.oracleUrl } : {}),
    ...(options.oracleModel ? { model: options.oracleModel } : {}),
  };
  return {
    recipe: options.recipe,
    oracle,
    overrides: parseOverrides(options.set),
    startedBy: userInfo().username,
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.budget === undefined ? {} : { budget: { usd: options.budget } }),
    ...(options.gate ? { gates: options.gate } : {}),
  };
}

function checkData(recipe: Recipe, data: string | undefined): void {
  if (recipe.data.source === 'file' && data === undefined) {
    throw new ClientError('Usage', `Recipe '${recipe.name}' trains on your own pairs: give --data FILE.`);
  }
  if (recipe.data.source === 'world' && data !== undefined) {
    throw new ClientError(
      'Usage',
      `Recipe '${recipe.name}' generates its own pairs: leave --data out, or use --recipe scratch for your file.`,
    );
  }
}
