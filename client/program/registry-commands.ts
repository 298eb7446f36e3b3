/** Commands for schedules and the champion. */
import { Option } from 'commander';
import { setting, usd, wholeNumber } from '../options.js';
import type { AddCommand } from '../program.js';

export function addRegistryCommands(add: AddCommand): void {
  add(
    'schedule',
    'retrain by the clock when there is enough new data',
    'rmr1 schedule create nightly --cron "0 3 * * *" --watch datasets/helpful/ --oracle local\n' +
      'rmr1 schedule list\n' +
      'rmr1 schedule backfill nightly --from 2026-11-20T00:00:00Z --to 2026-11-22T00:00:00Z',
    () => import('../commands/schedule.js'),
  )
    .argument('[action]', 'list, create, trigger, pause, resume, backfill, delete', 'list')
    .argument('[name]', 'name of the schedule')
    .option('--cron <line>', 'create: when, in UTC, such as "0 3 * * *"')
    .option('--every <interval>', 'create: how often, such as 1d or 6h')
    .option(
      '--watch <prefix>',
      'create: prefix of the bucket with JSONL files of pairs, or hub:owner/name[@revision][#split or file]',
    )
    .option('--min-new-pairs <n>', 'create: fewer new pairs than this and the champion stays', wholeNumber)
    .option('--recipe <name>', 'create: recipe to follow', 'scratch')
    .addOption(
      new Option('--oracle <provider>', 'create: whose traces are distilled').choices(['local', 'openai']),
    )
    .option('--oracle-model <name>', 'create: model of the oracle')
    .option('--budget <usd>', 'create: hard cap on oracle spending of one run', usd)
    .option('--alias <name>', 'create: the alias that is moved; default: champion')
    .addOption(
      new Option('--start-from <what>', 'create: what the student starts from').choices(['base', 'champion']),
    )
    .addOption(
      new Option('--promote <when>', 'create: when the alias is moved').choices([
        'significant',
        'ask',
        'never',
      ]),
    )
    .option('--set <key=value>', 'create: override a field of the recipe (repeatable)', setting)
    .option('--reason <text>', 'pause, resume: why')
    .option('--from <time>', 'backfill: first time')
    .option('--to <time>', 'backfill: last time');

  add(
    'gc',
    'delete checkpoints and objects that nothing needs any more',
    'rmr1 gc --dry-run\nrmr1 gc --abandoned-days 14',
    () => import('../commands/gc.js'),
  )
    .option('--dry-run', 'say what would be deleted, delete nothing')
    .option('--finished-days <n>', 'keep checkpoints of finished stages so long', wholeNumber, 1)
    // A month for what a paused or waiting run may still need.
    .option('--abandoned-days <n>', 'keep checkpoints of unfinished stages so long', wholeNumber, 30)
    .option('--unreached-days <n>', 'keep objects that no manifest reaches so long', wholeNumber, 30)
    .option('--force', 'also while runs are under way');

  add(
    'champion',
    'which judge is in use: show it, promote another one, go back',
    'rmr1 champion show\nrmr1 champion promote quickstart-seed1 --reason "best on our own set"\nrmr1 champion rollback --to 3',
    () => import('../commands/champion.js'),
  )
    .argument('[action]', 'show, promote, rollback', 'show')
    .argument('[run]', 'promote: workflow id of a finished run')
    .option('--alias <name>', 'name of the alias', 'champion')
    .option('--reason <text>', 'promote, rollback: why')
    .option('--to <version>', 'rollback: version to go back to; default: the one before', wholeNumber);
}
