import { parseArgs } from 'node:util';
import { parseFaultFlag } from './faults.js';
import type { Fault } from './faults.js';

export const USAGE = `usage: node dist/infra/oracle/main.js [options]
  --port N          port on 127.0.0.1; 0 (default) picks a free one
  --seed N          decides which judgements are wrong (default 1)
  --error-rate X    share of wrong first-pass judgements, 0 to 1 (default 0.25)
  --labels FILE     JSONL of pairs (conversation, chosen, rejected) whose gold labels it may use
  --latency-ms N    wait before each answer (default 0)
  --batch-ms N      how long a batch takes (default 1000)
  --requests-per-minute N, --tokens-per-minute N
                    limits, announced in headers as the providers do (default: none)
  --fault KIND:RATE rate-limit, server-error, hang, cut, malformed, lost-reply, for a share of questions asked one by
                    one; refusal, empty, truncated, misplaced, foreign, huge, line-error, for a share of answers;
                    batch-expire, batch-fail, for a share of batches; repeatable
The environment variable RMR1_ORACLE_KEY, where set, is the key that clients must send.`;

export interface OracleFlags {
  port: number;
  seed: number;
  errorRate: number;
  labels?: string;
  latencyMs: number;
  batch: { durationMs: number };
  requestsPerMinute?: number;
  tokensPerMinute?: number;
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
      'batch-ms': { type: 'string', default: '1000' },
      'requests-per-minute': { type: 'string' },
      'tokens-per-minute': { type: 'string' },
      fault: { type: 'string', multiple: true, default: [] },
    },
  });
  const limit = (flag: 'requests-per-minute' | 'tokens-per-minute') => {
    const text = values[flag];
    return text === undefined ? undefined : number(flag, text, 1, Number.MAX_SAFE_INTEGER, true);
  };
  const requestsPerMinute = limit('requests-per-minute');
  const tokensPerMinute = limit('tokens-per-minute');
  const seed = number('seed', values.seed, 0, Number.MAX_SAFE_INTEGER, true);
  return {
    seed,
    port: number('port', values.port, 0, 65_535, true),
    errorRate: number('error-rate', values['error-rate'], 0, 1, false),
    latencyMs: number('latency-ms', values['latency-ms'], 0, 600_000, true),
    faults: values.fault.map((flag) => parseFaultFlag(flag, seed)),
    batch: { durationMs: number('batch-ms', values['batch-ms'], 0, 30 * 86_400_000, true) },
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
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
