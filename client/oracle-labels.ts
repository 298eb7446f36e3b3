/** Tell the local oracle which reply of the user's pairs is the better one: it has no truth of its own for them. */
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pair } from '../judge/pair.js';
import { homeDirectory, readStackFile } from '../infra/environment.js';
import { ClientError } from './errors.js';

/** Labels sent with one request. */
const BATCH = 500;

/** Labels given so far; the oracle reads them when it starts, so that a restart forgets none. */
export function labelsFile(home: string = homeDirectory()): string {
  return join(home, 'oracle', 'labels.jsonl');
}

/** @throws ClientError `OracleUnreachable`. */
export async function postLabels(pairs: readonly Pair[], baseUrl?: string): Promise<void> {
  const address = baseUrl ?? process.env['RMR1_ORACLE_URL'] ?? readStackFile()?.oracle?.baseUrl;
  if (!address) {
    throw new ClientError(
      'OracleUnreachable',
      'No local oracle service is known. Start it with `rmr1 up`, or use --oracle openai.',
    );
  }
  const lines = pairs.map(({ conversation, chosen, rejected }) =>
    JSON.stringify({ conversation, chosen, rejected }),
  );
  const url = new URL('/labels', address);
  for (let start = 0; start < lines.length; start += BATCH) {
    await post(url, lines.slice(start, start + BATCH));
  }
  await keep(lines, labelsFile());
}

async function post(url: URL, lines: readonly string[]): Promise<void> {
  const key = process.env['RMR1_ORACLE_KEY'];
  let answer: Response;
  try {
    answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/jsonl', ...(key ? { authorization: `Bearer ${key}` } : {}) },
      body: lines.join('\n'),
    });
  } catch (error) {
    throw new ClientError(
      'OracleUnreachable',
      `The local oracle at ${url.origin} does not answer. Start it with \`rmr1 up\`.`,
      { cause: error },
    );
  }
  if (answer.ok) return;
  const said = (await answer.text()).slice(0, 300);
  throw new ClientError(
    answer.status === 401 ? 'OracleCredentials' : 'OracleRejected',
    `The oracle at ${url.origin} did not take the labels (HTTP ${answer.status}): ${said}. Is it the local oracle service?`,
  );
}

async function keep(lines: readonly string[], file: string): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  const known = new Set(existsSync(file) ? (await readFile(file, 'utf8')).split('\n') : []);
  const added = lines.filter((line) => !known.has(line));
  if (added.length > 0) await appendFile(file, `${added.join('\n')}\n`);
}
