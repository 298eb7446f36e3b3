/** Commands that start runs and look at them. */
import { Option } from 'commander';
import { ORACLE_PROVIDERS, RUN_STATES } from '../choices.js';
import { setting, stages, usd, wholeNumber } from '../options.js';
import type { AddCommand } from '../program.js';

export function addRunCommands(add: AddCommand): void {
  add(
    'run',
    'train a judge on your own preference pairs',
    'rmr1 run --data pairs.jsonl --oracle openai --oracle-model gpt-4o-mini --budget 5\n' +
      'rmr1 run --data pairs.jsonl.gz --oracle local --set grpo.steps=4 --detach',
    () => import('../commands/run.js'),
  )
    .option('--data <file>', 'JSONL of preference pairs, plain or gzip')
    .option('--recipe <name>', 'recipe to follow; `rmr1 recipes` lists them', 'scratch')
    .addOption(
      new Option('--oracle <provider>', "whose traces are distilled (default: the recipe's)").choices(
        ORACLE_PROVIDERS,
      ),
    )
    .option('--oracle-url <url>', 'address of the endpoint')
    .option('--oracle-model <name>', 'model of the oracle')
    .option('--budget <usd>', 'hard cap on oracle spending', usd)
    .option('--seed <n>', "default: the recipe's", wholeNumber)
    .option('--gate <stage>', 'wait for approval after this stage (repeatable)', stages)
    .option('--set <key=value>', 'override a field of the recipe (repeatable)', setting)
    .option(
      '--id <id>',
      'workflow id; the default names the input, so that the same command finds the same run',
    )
    .option('--estimate', 'first show what the oracle will cost; above $10, ask before starting')
    .option('--yes', 'with --estimate: start without being asked')
    .option('--detach', 'return once the run has started');

  add(
    'watch',
    'follow a run until it ends; Ctrl-C stops watching, not the run',
    'rmr1 watch train-scratch-1a2b3c4d',
    () => import('../commands/watch.js'),
  )
    .argument('[run]', 'workflow id; default: the newest run')
    .option('--wait', 'keep watching while the run waits for a correction');

  add(
    'runs',
    'list runs, newest first',
    'rmr1 runs --state awaiting-approval',
    () => import('../commands/runs.js'),
  )
    .addOption(new Option('--state <state>', 'only runs in this state').choices(RUN_STATES))
    .option('--limit <n>', 'at most so many', wholeNumber, 50);

  add(
    'report',
    'fetch the report of a finished run and print its results',
    'rmr1 report quickstart-seed1 --open',
    () => import('../commands/report.js'),
  )
    .argument('[run]', 'workflow id; default: the newest run')
    .option('--out <file>', 'where to write the HTML; default: <home>/runs/<run>/report.html')
    .option('--open', 'show it in the browser');

  add(
    'ledger',
    'what a run has spent on oracles, by stage, pass and model',
    'rmr1 ledger train-scratch-1a2b3c4d --json',
    () => import('../commands/ledger.js'),
  ).argument('[run]', 'workflow id; default: the newest run');

  add(
    'lineage',
    'what a run made, and from what',
    'rmr1 lineage quickstart-seed1 --json',
    () => import('../commands/lineage.js'),
  ).argument('[run]', 'workflow id; default: the newest run');
}
