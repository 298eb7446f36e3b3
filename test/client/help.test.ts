import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../client/program.js';
import { runCli } from './run-cli.js';

const commands = buildProgram(() => undefined)
  .commands.map((command) => command.name())
  .filter((name) => name !== 'help');

describe('help', () => {
  it('lists every command', () => {
    expect(commands.sort()).toEqual(
      [
        ...[
          'quickstart',
          'up',
          'down',
          'doctor',
          'run',
          'watch',
          'runs',
          'pause',
          'resume',
          'approve',
          'reject',
        ],
        ...['raise-budget', 'continue', 'ledger'],
        ...[
          'correct',
          'cancel',
          'report',
          'lineage',
          'judge',
          'validate',
          'mix',
          'recipes',
          'oracle',
          'worker',
        ],
        ...['rerun', 'schedule', 'champion'],
        ...['serve', 'codec-server', 'gc', 'deployment'],
        ...['score', 'evaluate', 'stop', 'compare', 'export'],
      ].sort(),
    );
  });

  it.each(commands)('of %s has an example that parses, --json, and ends with 0', async (name) => {
    const { code, out, err } = await runCli(name, '--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('--json');
    const [, examples = ''] = out.split('\nExample\n');
    const lines = examples
      .trim()
      .split('\n')
      .map((line) => line.trim());
    expect(lines.some((line) => line.includes(`rmr1 ${name}`))).toBe(true);
  });

  it('explains the exit codes', async () => {
    const { out } = await runCli('--help');
    expect(out).toContain('130  Ctrl-C');
  });

  it('loads no implementation, so that it appears at once', () => {
    const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
    const packages = new Set<string>();
    const seen = new Set<string>();
    const visit = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      const source = readFileSync(file, 'utf8');
      for (const [, clause = '', specifier = ''] of source.matchAll(
        /^(?:import|export)\s([^;]*?)from\s+'([^']+)'/gms,
      )) {
        if (clause.startsWith('type ')) continue;
        if (specifier.startsWith('.')) visit(resolve(dirname(file), specifier.replace(/\.js$/, '.ts')));
        else packages.add(specifier);
      }
    };
    visit(resolve(root, 'client/cli.ts'));
    expect([...packages].filter((name) => !name.startsWith('node:'))).toEqual(['commander']);
  });
});
