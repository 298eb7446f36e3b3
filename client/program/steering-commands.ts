/** Commands that steer a run. */
import { setting, stages, usd } from '../options.js';
import type { AddCommand } from '../program.js';

export function addSteeringCommands(add: AddCommand): void {
  add(
    'pause',
    'hold a run: its trainer saves a checkpoint and stops',
    'rmr1 pause quickstart-seed1 --reason "need the cores"',
    () => import('../commands/pause.js'),
  )
    .argument('<run>', 'workflow id')
    .option('--reason <text>', 'why');

  add(
    'resume',
    'let a paused run go on',
    'rmr1 resume quickstart-seed1',
    () => import('../commands/resume.js'),
  ).argument('<run>', 'workflow id');

  add(
    'approve',
    'let a run pass the gate it waits at',
    'rmr1 approve train-scratch-1a2b3c4d',
    () => import('../commands/approve.js'),
  )
    .argument('<run>', 'workflow id')
    .option('--stage <stage>', 'refuse unless the gate is after this stage', stages);

  add(
    'reject',
    'end a run at the gate it waits at',
    'rmr1 reject train-scratch-1a2b3c4d --reason "rewards look hacked"',
    () => import('../commands/reject.js'),
  )
    .argument('<run>', 'workflow id')
    .option('--stage <stage>', 'refuse unless the gate is after this stage', stages)
    .option('--reason <text>', 'why');

  add(
    'correct',
    'mend what a waiting run stumbled over; without options just try again',
    'rmr1 correct train-scratch-1a2b3c4d --set oracle.model=gpt-4o-mini --budget 20',
    () => import('../commands/correct.js'),
  )
    .argument('<run>', 'workflow id')
    .option('--set <key=value>', 'override a field of the recipe (repeatable)', setting)
    .option('--data <file>', 'other preference pairs')
    .option('--budget <usd>', 'a new hard cap on oracle spending', usd);

  add(
    'rerun',
    'start a run again, as it was or changed; what is unchanged is reused',
    'rmr1 rerun train-scratch-1a2b3c4d\n' +
      'rmr1 rerun train-scratch-1a2b3c4d --from grpo --set grpo.steps=60',
    () => import('../commands/rerun.js'),
  )
    .argument('<run>', 'workflow id of the earlier run, whatever became of it')
    .option('--from <stage>', 'take every stage before this one as it is, whatever was changed', stages)
    .option('--set <key=value>', 'override a field of the recipe (repeatable)', setting)
    .option('--budget <usd>', 'a new hard cap on oracle spending', usd)
    .option('--id <id>', 'workflow id of the new run');

  add(
    'raise-budget',
    'give a run more money for its oracle; one that stands at its cap goes on',
    'rmr1 raise-budget train-scratch-1a2b3c4d --usd 20',
    () => import('../commands/raise-budget.js'),
  )
    .argument('<run>', 'workflow id')
    .requiredOption('--usd <usd>', 'the new hard cap, above the present one', usd);

  add(
    'continue',
    'at the cap: ask the oracle nothing more and train on what is paid for',
    'rmr1 continue train-scratch-1a2b3c4d',
    () => import('../commands/continue.js'),
  ).argument('<run>', 'workflow id');

  add(
    'cancel',
    'stop a run for good after a last checkpoint',
    'rmr1 cancel train-scratch-1a2b3c4d --wait',
    () => import('../commands/cancel.js'),
  )
    .argument('<run>', 'workflow id')
    .option('--wait', 'return once it has stopped');
}
