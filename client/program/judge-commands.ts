/** Commands that put a judge to work on its own. */
import { Option, type Command } from 'commander';
import { BENCHMARKS } from '../../benchmarks/names.js';
import { PROMPT_VERSIONS } from '../../judge/prompt/versions.js';
import { JUDGES } from '../choices.js';
import { collect, port, price, wholeNumber, wholeNumbers } from '../options.js';
import type { AddCommand } from '../program.js';

export function addJudgeCommands(add: AddCommand): void {
  addJudgeOptions(
    add(
      'evaluate',
      'judge a published benchmark with any judge, durably, and score it',
      'rmr1 evaluate --benchmark rm-bench --data chat.jsonl code.jsonl --base-url http://127.0.0.1:8000/v1 --model NAME\n' +
        'rmr1 evaluate --benchmark rmb --data rmb/ --judge local --model quickstart-seed1 --orders both',
      () => import('../commands/evaluate.js'),
    ),
  )
    .addOption(
      new Option('--benchmark <name>', 'whose items and rules').choices(BENCHMARKS).makeOptionMandatory(),
    )
    .requiredOption('--data <sources...>', 'files, folders, or hub:owner/name; docs/benchmarks.md')
    .addOption(
      new Option('--orders <mode>', 'one: each item once, its places drawn by --order-seed; both: twice')
        .choices(['one', 'both'])
        .default('one'),
    )
    .option('--order-seed <n>', 'of the places (default 0)', wholeNumber)
    .option(
      '--votes <k>',
      'samples of each question, at --temperature above 0; their majority counts',
      wholeNumber,
    )
    .option('--budget <tokens...>', 'several completion budgets, one evaluation each', wholeNumbers)
    .option('--stop-at <share>', 'stop once the accuracy is known to ± this, such as 0.01', Number)
    .option('--id <id>', 'workflow id; the default names items and judge, so that the same command goes on')
    .option('--detach', 'return once the evaluation has started');

  add(
    'stop',
    'end a benchmark evaluation early: score what is judged',
    'rmr1 stop evaluate-rm-bench-1a2b3c4d',
    () => import('../commands/stop.js'),
  ).argument('<run>', 'workflow id');

  add(
    'compare',
    'compare two judges on the same items: differences with intervals, tests, a conclusion',
    'rmr1 compare evaluate-rmb-1a2b3c4d evaluate-rmb-5e6f7a8b\nrmr1 compare before.jsonl after.jsonl --json',
    () => import('../commands/compare.js'),
  )
    .argument('<a>', 'run, or verdict file')
    .argument('<b>', 'run, or verdict file, that is compared with the first')
    .option('--seed <n>', 'of the bootstrap (default 0)', wholeNumber)
    .option('--report <file>', 'also write an HTML page with both judges, of verdicts on a benchmark');

  addJudgeOptions(
    add(
      'serve',
      'serve a judge over HTTP: pairs, single answers, groups, an OpenAI-compatible chat route',
      'rmr1 serve --model quickstart-seed1 --port 8790\n' +
        'rmr1 serve --base-url http://127.0.0.1:8000/v1 --model gaotang/RM-R1-Qwen2.5-Instruct-7B',
      () => import('../commands/serve.js'),
    ),
  )
    .option(
      '--host <address>',
      'address to listen on; others than loopback need RMR1_SERVE_TOKEN',
      '127.0.0.1',
    )
    .option('--port <n>', 'port to listen on; 0 takes a free one', port, 8790)
    .option('--request-timeout <seconds>', 'longest time for one request', wholeNumber, 300)
    .option('--max-body <bytes>', 'largest request', wholeNumber, 4 * 1024 * 1024)
    .option('--max-pending <n>', 'judgements that may wait; beyond that requests get 429', wholeNumber, 4096);
}

/** Which judge, and how it writes. */
function addJudgeOptions(command: Command): Command {
  return command
    .addOption(new Option('--judge <kind>', 'default: openai with --base-url, else local').choices(JUDGES))
    .option(
      '--model <ref>',
      'local, vllm, likelihood, and scalar without --base-url: a finished run or a model directory; endpoints: the name there (majority: repeat it)',
      collect,
    )
    .option('--base-url <url>', 'OpenAI-compatible endpoint; its key is RMR1_JUDGE_API_KEY or OPENAI_API_KEY')
    .addOption(new Option('--prompt-version <name>', 'how a pair is shown').choices(PROMPT_VERSIONS))
    .option('--max-tokens <n>', 'completion budget', wholeNumber)
    .option('--temperature <t>', 'default 0', Number)
    .option('--concurrency <n>', 'most questions in flight at an endpoint; found out below that', wholeNumber)
    .option('--timeout <seconds>', 'longest time for one answer of an endpoint', wholeNumber)
    .option(
      '--price <in,out>',
      'of the endpoint, USD per million prompt and output tokens, such as 0.15,0.6',
      price,
    )
    .option('--logprobs', 'ask the endpoint for log-probabilities of the verdict, where it offers them')
    .option('--gpus <n>', 'vllm: GPUs of one node that hold the model together (default 1)', wholeNumber)
    .option('--batch-size <n>', 'local: most questions decoded together', wholeNumber)
    .option('--threads <n>', 'local: CPU threads', wholeNumber)
    .option('--seed <n>', 'of sampling and of --judge random', wholeNumber);
}
