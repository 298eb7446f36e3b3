/**
 * `npm run check:dependencies [-- --audit]`: licences, pins and hashes of everything that is installed; with `--audit`
 * also known vulnerabilities of what is shipped, as far as the registry answers.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from './environment.js';

/** Permissive licences that go with Apache-2.0. */
const ALLOWED = new Set([
  ...['MIT', 'MIT-0', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0'],
  ...['CC0-1.0', 'CC-BY-4.0', 'Unlicense', 'Python-2.0', 'MPL-2.0'],
]);

/** Packages that name their licence in a file only; read there. */
const READ_IN_FILE: Record<string, string> = { unionfs: 'Unlicense' };

interface LockedPackage {
  version?: string;
  dev?: boolean;
  license?: string;
  integrity?: string;
  link?: boolean;
}

/** What is wrong with the dependencies: one sentence each. */
export function dependencyProblems(root = projectRoot()): string[] {
  const packages = lockedPackages(root);
  const declared = readJson(root, 'package.json') as Record<string, Record<string, string> | undefined>;
  const problems: string[] = [];
  for (const [path, { version, license, integrity, link }] of Object.entries(packages)) {
    if (path === '' || link) continue;
    const bare = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const name = `${bare}@${version}`;
    if (!isAllowed(license ?? READ_IN_FILE[bare]))
      problems.push(`${name}: licence '${license ?? 'unknown'}' is not among those allowed.`);
    if (!integrity) problems.push(`${name}: has no hash in package-lock.json.`);
  }
  for (const group of ['dependencies', 'devDependencies']) {
    for (const [name, range] of Object.entries(declared[group] ?? {}))
      if (!/^\d+\.\d+\.\d+$/.test(range)) problems.push(`${name}: '${range}' is not an exact version.`);
  }
  return problems;
}

/** How many packages the lock file names, on whatever platform they are for. */
function dependencyCounts(root = projectRoot()): { shipped: number; development: number } {
  const packages = Object.entries(lockedPackages(root)).filter(([path, { link }]) => path !== '' && !link);
  const development = packages.filter(([, { dev }]) => dev).length;
  return { shipped: packages.length - development, development };
}

function lockedPackages(root: string): Record<string, LockedPackage> {
  const { packages } = readJson(root, 'package-lock.json') as { packages: Record<string, LockedPackage> };
  return packages;
}

function readJson(root: string, name: string): unknown {
  return JSON.parse(readFileSync(join(root, name), 'utf8'));
}

/** An SPDX expression is allowed where one side of every OR, and both of every AND, are. */
export function isAllowed(licence: string | undefined): boolean {
  const plain = licence?.replace(/[()]/g, '').trim();
  if (!plain) return false;
  return plain
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((part) => ALLOWED.has(part.trim())));
}

function audit(): string[] {
  const patience = ['--fetch-retries=0', '--fetch-timeout=20000'];
  const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json', ...patience], { encoding: 'utf8' });
  try {
    const { vulnerabilities } = JSON.parse(stdout) as {
      vulnerabilities?: Record<string, { severity: string }>;
    };
    if (!vulnerabilities) throw new Error('no answer');
    return Object.entries(vulnerabilities)
      .filter(([, { severity }]) => severity === 'high' || severity === 'critical')
      .map(([name, { severity }]) => `${name}: a ${severity} vulnerability is known; see \`npm audit\`.`);
  } catch {
    process.stderr.write('The registry does not answer audits: vulnerabilities were not checked.\n');
    return [];
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const problems = [...dependencyProblems(), ...(process.argv.includes('--audit') ? audit() : [])];
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  const { shipped, development } = dependencyCounts();
  if (problems.length === 0)
    process.stdout.write(
      `Dependencies: licences, pins and hashes are in order; ${shipped} packages are shipped, ${development} are for development.\n`,
    );
  process.exitCode = problems.length === 0 ? 0 : 1;
}
