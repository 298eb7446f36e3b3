/** Commands that need no run: data, recipes, and a judge at work. */
import { Option } from 'commander';
import { CONVENTIONS } from '../../benchmarks/conventions.js';
import { BENCHMARKS } from '../../benchmarks/names.js';
import { PROMPT_VERSIONS } from '../../judge/prompt/versions.js';
import { collect, setting, wholeNumber } from '../options.js';
import type { AddCommand } from '../program.js';

export function addDataCommands(add: AddCommand): void {
  add(
    'validate',
    'check a data file or a recipe without starting anything',
    'rmr1 validate --data pairs.jsonl\nrmr1 validate --recipe scratch --set grpo.steps=20',
    () => import('../commands/validate.js'),
  )
    .option('--data <file>', 'JSONL of preference pairs, plain or gzip')
    .option('--recipe <name>', 'recipe to resolve')
    .option('--set <key=value>', 'override a field of the recipe (repeatable)', setting);

  add(
    'recipes',
    'list recipes, or print one',
    'rmr1 recipes scratch',
    () => import('../commands/recipes.js'),
  ).argument('[name]', 'recipe to print, resolved with its defaults');

  add(
    'mix',
    "build RM-R1's training mix from the hub: Skywork v0.2 without magpie_ultra, 8,000 of code, 10,000 of maths",
    'rmr1 mix --out pairs.jsonl --against rm-bench=data/rm-bench rmb=data/rmb rewardbench=hub:allenai/reward-bench',
    () => import('../commands/mix.js'),
  )
    .requiredOption('--out <file>', 'JSONL to write')
    .option('--seed <n>', 'of the choice and the order', wholeNumber, 1)
    .option(
      '--against <name=source...>',
      'benchmarks whose items must not be trained on: files, folders or hub:owner/name',
    );

  add(
    'judge',
    'let a trained judge compare two replies and say why',
    'rmr1 judge --model quickstart-seed1 --prompt "What is 12 + 30 ?" --a "42" --b "41"\n' +
      'rmr1 judge --model ./model --data pairs.jsonl --limit 20',
    () => import('../commands/judge.js'),
  )
    .requiredOption('--model <run|dir>', 'a finished run, or a model directory in Hugging Face layout')
    .option(
      '--prompt <text>',
      'what the user said (repeatable: further turns alternate assistant, user, …)',
      collect,
    )
    .option('--a <text>', 'reply A')
    .option('--b <text>', 'reply B')
    .option('--data <file>', 'judge preference pairs instead, in both orders')
    .option('--limit <n>', 'first pairs of --data', wholeNumber)
    .addOption(
      new Option(
        '--prompt-version <name>',
        "how a pair is shown (default: as in the run's recipe, else compact-v1)",
      ).choices(PROMPT_VERSIONS),
    )
    .option('--max-new-tokens <n>', 'longest judgement', wholeNumber);

  add(
    'export',
    'write a trained judge as an ONNX model that any onnxruntime runs, or what a run has trained so far on Ray',
    'rmr1 export --model quickstart-seed1 --out judge-onnx\n' +
      'rmr1 export --model RUN --checkpoint --out half-trained',
    () => import('../commands/export.js'),
  )
    .requiredOption('--model <run|dir>', 'a finished run, or a model directory in Hugging Face layout')
    .requiredOption('--out <dir>', 'directory to make')
    .option('--checkpoint', "the newest checkpoint of the run's last stage on Ray, in Hugging Face layout");

  add(
    'score',
    'score verdicts on a published benchmark, made by any judge anywhere',
    'rmr1 score --benchmark rm-bench --verdicts verdicts.jsonl\n' +
      'rmr1 score --benchmark rewardbench --verdicts a.jsonl b.jsonl.gz --convention errors-half --json',
    () => import('../commands/score.js'),
  )
    .addOption(
      new Option('--benchmark <name>', 'the rules to score by').choices(BENCHMARKS).makeOptionMandatory(),
    )
    .requiredOption('--verdicts <files...>', 'JSONL of verdict records, plain or gzip; docs/benchmarks.md')
    .option(
      '--data <sources...>',
      'the items that were judged: files, folders or hub:owner/name[@revision][#path]; unknown ids become errors',
    )
    .option(
      '--report <file>',
      'write an HTML page: table beside published systems, breakdowns, every judgement',
    )
    .option('--both-orders', 'each item may stand twice, with the better answer at A and at B')
    .addOption(
      new Option(
        '--convention <names...>',
        'other published readings of the rules, named in the output',
      ).choices(CONVENTIONS),
    );
}
