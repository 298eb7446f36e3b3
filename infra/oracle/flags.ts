import { parseArgs } from 'node:util';
import { parseFaultFlag } from './faults.js';
import type { Fault } from './faults.js';

export const USAGE = `usage: node dist/infra/oracle/main.js [options]
  --port N          port on 127.0.0.1; 0 (default) picks a free one
  --seed N          decides which judgements are wrong (default 1)
  --error-rate X    share of wrong first-pass judgements, 0 to 1 (default 0.25)
  --labels FILE     JSONL of pairs (conversation, chosen, rejected) whose gold labels it may use
  --latency-ms N    wait before each answer (default 0)
  --fault KIND:RATE rate-limit, server-error, hang, cut or malformed, for a share of requests; repeatable
The environment variable RMR1_ORACLE_KEY, where set, is the key that clients must send.`;

export interface OracleFlags {
  port: number;
  seed: number;
  errorRate: number;
  labels?: string;
  latencyMs: number;
  faults: Fault[];
}

/** @throws Error with one clear sentence for a flag that cannot be used. */
export function parseFlags(args: string[]): OracleFlags {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string', default: '0' },
      seed: { type: 'string', default: '1' },
      'error-rate': { type: 'string', default: '0.25' },
      labels: { type: 'string' },
      'latency-ms': { type: 'string', default: '0' },
      fault: { type: 'string', multiple: true, default: [] },
    },
  });
  const seed = number('seed', values.seed, 0, Number.MAX_SAFE_INTEGER, true);
  return {
    seed,
    port: number('port', values.port, 0, 65_535, true),
    errorRate: number('error-rate', values['error-rate'], 0, 1, false),
    latencyMs: number('latency-ms', values['latency-ms'], 0, 600_000, true),
    faults: values.fault.map((flag) => parseFaultFlag(flag, seed)),
    ...(values.labels === undefined ? {} : { labels: values.labels }),
  };
}

function number(name: string, text: string, low: number, high: number, whole: boolean): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= low && value <= high) || (whole && !Number.isInteger(value))) {
    throw new Error(
      `--${name} must be ${whole ? 'a whole number' : 'a number'} from ${String(low)} to ${String(high)}, not "${text}".`,
    );
  }
  return value;
}
