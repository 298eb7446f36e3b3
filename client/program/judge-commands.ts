/** Commands that put a judge to work on its own. */
import { Option, type Command } from 'commander';
import { collect, port, wholeNumber } from '../options.js';
import type { AddCommand } from '../program.js';

export function addJudgeCommands(add: AddCommand): void {
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
    .addOption(
      new Option('--judge <kind>', 'default: openai with --base-url, else local').choices([
        'local',
        'openai',
        'scalar',
        'pointwise',
        'majority',
        'length',
        'random',
        'oracle',
      ]),
    )
    .option(
      '--model <ref>',
      'local: a finished run or a model directory; endpoints: the name there (majority: repeat it)',
      collect,
    )
    .option('--base-url <url>', 'OpenAI-compatible endpoint; its key is RMR1_JUDGE_API_KEY or OPENAI_API_KEY')
    .addOption(
      new Option('--prompt-version <name>', 'how a pair is shown').choices([
        'compact-v1',
        'cor-v1',
        'plain-v1',
      ]),
    )
    .option('--max-tokens <n>', 'completion budget', wholeNumber)
    .option('--temperature <t>', 'default 0', Number)
    .option('--concurrency <n>', 'most questions in flight at an endpoint; found out below that', wholeNumber)
    .option('--timeout <seconds>', 'longest time for one answer of an endpoint', wholeNumber)
    .option('--logprobs', 'ask the endpoint for log-probabilities of the verdict, where it offers them')
    .option('--batch-size <n>', 'local: most questions decoded together', wholeNumber)
    .option('--threads <n>', 'local: CPU threads', wholeNumber)
    .option('--seed <n>', 'of sampling and of --judge random', wholeNumber);
}
