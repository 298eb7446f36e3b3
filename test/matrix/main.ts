/**
 * `npm run kill-matrix [-- --cells N --seed S --only TEXT --json --out FILE]`: kills things at named moments and
 * checks what is left. Without `--cells` every cell is run (an hour or more); with it a covering choice by the seed,
 * which is today's number where none is given. Exit code 1 where a cell fails.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { allCells } from './cells.js';
import { coveringSubset, seedOfToday } from './covering.js';
import { KillMatrix, type CellResult } from './kill-matrix.js';
import { markdownTables, summarise, type Summary } from './summary.js';

const USAGE = `npm run kill-matrix -- [options]

  --cells N         a covering choice of N cells (default: every cell, an hour or more)
  --seed S          of the choice and the order (default: today's number)
  --only TEXT       only cells whose id contains TEXT, for example grpo/ or /zombie
  --out FILE        keep results in FILE after every cell; what passed there already is not run again
  --stop-after SEC  begin no cell after so many seconds
  --json            print every result, not the summary alone
  --tables          run nothing; print the results kept in --out as tables`;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        cells: { type: 'string' },
        seed: { type: 'string' },
        only: { type: 'string' },
        out: { type: 'string' },
        'stop-after': { type: 'string' },
        json: { type: 'boolean', default: false },
        tables: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (!values.help && !(values.tables && values.out === undefined)) return values;
    say(values.help ? USAGE : `--tables needs --out FILE.\n\n${USAGE}`);
    process.exit(values.help ? 0 : 2);
  } catch (error) {
    say(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const options = readOptions();

async function main(): Promise<number> {
  const began = Date.now();
  const seed = options.seed === undefined ? seedOfToday() : Number(options.seed);
  const all = allCells();
  if (options.tables) {
    process.stdout.write(`${markdownTables(all, resultsIn(options.out!))}\n`);
    return 0;
  }
  const kept = options.out && existsSync(options.out) ? passedIn(options.out) : [];
  const wanted = all.filter(
    ({ id, point }) =>
      point && id.includes(options.only ?? '') && !kept.some(({ id: passed }) => passed === id),
  );
  // The whole matrix goes in the same order, so that a run that is cut short is a covering choice too.
  const chosen = coveringSubset(wanted, Number(options.cells ?? wanted.length), seed);
  say(`kill matrix: ${chosen.length} of ${all.length} cells, seed ${seed}`);
  const results: CellResult[] = [...kept];
  const matrix = await KillMatrix.start(seed);
  try {
    for (const cell of chosen) {
      if (Date.now() - began > Number(options['stop-after'] ?? Infinity) * 1000) break;
      const result = await matrix.run(cell);
      results.push(result);
      const verdict = result.wrong.length === 0 ? 'ok    ' : 'FAILED';
      const how = result.network ? ` (${result.network})` : '';
      say(`${verdict} ${result.seconds.toFixed(0).padStart(4)} s  ${cell.id}${how}`);
      for (const wrong of result.wrong) say(`       ${wrong}`);
      if (options.out) writeFileSync(options.out, JSON.stringify(results, null, 1));
    }
  } finally {
    const left = await matrix.stop();
    if (left.length > 0) results.push({ id: 'machine/end', wrong: left, seconds: 0, lostSeconds: 0 });
  }
  const summary = summarise(all, results, seed);
  const { results: _, ...figures } = summary;
  process.stdout.write(`${JSON.stringify(options.json ? summary : shortened(figures), null, 2)}\n`);
  return summary.failed.length === 0 ? 0 : 1;
}

function shortened({ cells, passed, failed, victims, left, absent }: Omit<Summary, 'results'>) {
  return { cells, passed, failed, victims, left, absent };
}

function resultsIn(file: string): CellResult[] {
  return JSON.parse(readFileSync(file, 'utf8')) as CellResult[];
}

function passedIn(file: string): CellResult[] {
  return resultsIn(file).filter(({ wrong }) => wrong.length === 0);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exit(1);
  },
);
