/** Tell the local oracle which reply of the user's pairs is the better one: it has no truth of its own for them. */
import type { Pair } from '../judge/pair.js';
import { readStackFile } from '../infra/environment.js';
import { ClientError } from './errors.js';

/** Labels sent with one request. */
const BATCH = 500;

/** @throws ClientError `OracleUnreachable`. */
export async function postLabels(pairs: readonly Pair[], baseUrl?: string): Promise<void> {
  const address = baseUrl ?? process.env['RMR1_ORACLE_URL'] ?? readStackFile()?.oracle?.baseUrl;
  if (!address) {
    throw new ClientError(
      'OracleUnreachable',
      'No local oracle service is known. Start it with `rmr1 up`, or use --oracle openai.',
    );
  }
  const url = new URL('/labels', address);
  for (let start = 0; start < pairs.length; start += BATCH) {
    await post(url, pairs.slice(start, start + BATCH));
  }
}

async function post(url: URL, pairs: readonly Pair[]): Promise<void> {
  let answer: Response;
  try {
    answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ pairs }),
    });
  } catch (error) {
    throw new ClientError(
      'OracleUnreachable',
      `The local oracle at ${url.origin} does not answer. Start it with \`rmr1 up\`.`,
      {
        cause: error,
      },
    );
  }
  if (!answer.ok) {
    throw new ClientError(
      'OracleUnreachable',
      `The local oracle at ${url.origin} refused the labels (HTTP ${answer.status}): ${(await answer.text()).slice(0, 300)}`,
    );
  }
}
