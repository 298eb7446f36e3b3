/** All commands with their options and help; no implementation is loaded here. */
import { Command } from 'commander';
import { EXIT, EXIT_MEANING, type ExitName } from './exit-codes.js';
import { applyToEnvironment, type SharedOptions } from './options.js';
import { addDataCommands } from './program/data-commands.js';
import { addJudgeCommands } from './program/judge-commands.js';
import { addRegistryCommands } from './program/registry-commands.js';
import { addRunCommands } from './program/run-commands.js';
import { addStackCommands } from './program/stack-commands.js';
import { addSteeringCommands } from './program/steering-commands.js';
import { packageVersion } from './version.js';

/** What a command does with its parsed options; resolves to the exit code, or nothing for 0. */
export type Action<Options> = (options: Options, ...args: string[]) => Promise<number | void>;

/** Adds one command whose implementation is imported when it runs. */
export type AddCommand = <Options extends SharedOptions>(
  name: string,
  summary: string,
  example: string,
  load: () => Promise<{ run: Action<Options> }>,
) => Command;

/** The program; `done` receives the exit code of the command that ran. */
export function buildProgram(done: (exitCode: number) => void): Command {
  const program = new Command('rmr1')
    .description('Train reasoning reward models (RM-R1) as durable workflows on Temporal.')
    .version(packageVersion())
    .configureHelp({ showGlobalOptions: false })
    .showSuggestionAfterError()
    .showHelpAfterError('Add --help to see what is possible.')
    .exitOverride()
    .addHelpText(
      'after',
      `\nExit codes\n${exitTable()}\n\nRMR1_DEBUG=1 adds stack traces to error messages.`,
    );

  const add: AddCommand = <Options extends SharedOptions>(
    name: string,
    summary: string,
    example: string,
    load: () => Promise<{ run: Action<Options> }>,
  ): Command => {
    const command = program
      .command(name)
      .summary(summary)
      .description(summary)
      .option('--json', 'print JSON for programs instead of text')
      .option('--home <dir>', 'state of the local stack (RMR1_HOME, else .rmr1)')
      .option('--address <host:port>', 'Temporal server (TEMPORAL_ADDRESS)')
      .option('--namespace <name>', 'Temporal namespace (TEMPORAL_NAMESPACE)')
      .option('--s3-endpoint <url>', 'S3 server (RMR1_S3_ENDPOINT)')
      .option('--bucket <name>', 'S3 bucket (RMR1_S3_BUCKET)')
      .addHelpText('after', `\nExample\n${example.replace(/^/gm, '  ')}`);
    command.action(async () => {
      const options = command.opts<Options>();
      applyToEnvironment(options);
      const { run } = await load();
      done((await run(options, ...command.args)) ?? EXIT.ok);
    });
    return command;
  };

  program.commandsGroup('On this machine:');
  addStackCommands(add);
  program.commandsGroup('Runs:');
  addRunCommands(add);
  program.commandsGroup('Steering a run:');
  addSteeringCommands(add);
  program.commandsGroup('Schedules and champion:');
  addRegistryCommands(add);
  program.commandsGroup('Data and judges:');
  addDataCommands(add);
  addJudgeCommands(add);
  return program;
}

function exitTable(): string {
  return (Object.keys(EXIT) as ExitName[])
    .map((name) => `  ${String(EXIT[name]).padStart(3)}  ${EXIT_MEANING[name]}`)
    .join('\n');
}
