/** Option values of the command line, checked where they are read. No heavy imports: `--help` loads this file. */
import { InvalidArgumentError } from 'commander';
import { STAGE_NAMES } from './choices.js';

/** Gather a repeatable option. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

export function wholeNumber(value: string): number {
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(Number(value))) {
    throw new InvalidArgumentError('Give a whole number, 0 or more.');
  }
  return Number(value);
}

/** Gather whole numbers. */
export function wholeNumbers(value: string, before: number[] = []): number[] {
  return [...before, wholeNumber(value)];
}

export function port(value: string): number {
  const number = wholeNumber(value);
  if (number > 65_535) throw new InvalidArgumentError('Give a port between 0 and 65535.');
  return number;
}

export function usd(value: string): number {
  const amount = Number(value);
  if (value.trim() === '' || !Number.isFinite(amount) || amount <= 0) {
    throw new InvalidArgumentError('Give a positive amount of USD, such as 5 or 0.50.');
  }
  return amount;
}

/** USD per million prompt tokens and per million output tokens. */
export function price(value: string): { inputPerMillion: number; outputPerMillion: number } {
  const parts = value.split(',').map((part) => part.trim());
  const [inputPerMillion = NaN, outputPerMillion = NaN] = parts.map(Number);
  const known = parts.every((part) => part !== '') && inputPerMillion >= 0 && outputPerMillion >= 0;
  if (parts.length !== 2 || !known || !Number.isFinite(inputPerMillion + outputPerMillion)) {
    throw new InvalidArgumentError('Give two prices in USD per million tokens, such as 0.15,0.6.');
  }
  return { inputPerMillion, outputPerMillion };
}

/** Gather names of stages, separated by commas or in several options. */
export function stages(value: string, before: string[] = []): string[] {
  const names = value.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !(STAGE_NAMES as readonly string[]).includes(name));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(
      `Unknown stage '${unknown.join("', '")}'. Stages: ${STAGE_NAMES.join(', ')}.`,
    );
  }
  return [...before, ...names];
}

/** One `key=value` of `--set`; the value is parsed later, when YAML is loaded anyway. */
export function setting(value: string, before: string[] = []): string[] {
  if (!/^[A-Za-z0-9_.-]+=/.test(value)) {
    throw new InvalidArgumentError('Give key=value, such as grpo.steps=20.');
  }
  return [...before, value];
}

/** Options that most commands share. */
export interface SharedOptions {
  json?: boolean;
  home?: string;
  address?: string;
  namespace?: string;
  s3Endpoint?: string;
  bucket?: string;
}

const VARIABLES = {
  home: 'RMR1_HOME',
  address: 'TEMPORAL_ADDRESS',
  namespace: 'TEMPORAL_NAMESPACE',
  s3Endpoint: 'RMR1_S3_ENDPOINT',
  bucket: 'RMR1_S3_BUCKET',
} as const;

/** Flags win over the environment, for this process and the ones it starts. */
export function applyToEnvironment(options: SharedOptions, env: NodeJS.ProcessEnv = process.env): void {
  for (const [option, variable] of Object.entries(VARIABLES)) {
    const value = options[option as keyof typeof VARIABLES];
    if (value !== undefined) env[variable] = value;
  }
}
