/** What a watched data set of the hub holds at its newest commit, and how much of it the champion has not seen. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../../workflows/errors.js';
import { nameOfWatched, type WatchedHub } from '../../workflows/watched-hub.js';
import { writeStream } from '../artifacts/local-files.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { HubDataset, type HubDatasetOptions } from '../dataset/benchmarks/hub.js';
import { DATA_FILE, readRows } from '../dataset/benchmarks/read-rows.js';
import { contentKey, parseRecord } from '../dataset/index.js';
import type { WatchedPairs } from './new-pairs.js';

/**
 * Resolve the watched revision and gather its pairs, unless it is the commit that the champion was trained on. New is
 * what no file of that commit held, wherever it stands; where that commit is gone from the hub, everything is new.
 * @param seen the commit that the champion was trained on, by {@link nameOfWatched}.
 * @throws UserError `HubRefused`, `HubUnreachable`; BadDataError for a file that is none of JSON, JSONL and parquet.
 */
export async function hubPairs(
  store: ArtifactStore,
  watched: WatchedHub,
  seen: Readonly<Record<string, string>>,
  options: HubDatasetOptions = {},
): Promise<WatchedPairs> {
  const name = nameOfWatched(watched);
  const trained = seen[name];
  const newest = await open(watched, watched.revision, options);
  const files = { [name]: newest.commit };
  const chosen = filesOf(newest, watched);
  if (trained === newest.commit) return { pairs: 0, newPairs: 0, files };
  const before = trained === undefined ? undefined : await earlier(watched, trained, options);
  const known = new Set<string>();
  if (before) {
    const earlierFiles = filesOf(before, watched);
    // A commit that changed the card alone brings nothing.
    if (sameFiles(newest, before, chosen, earlierFiles)) return { pairs: 0, newPairs: 0, files };
    for (const path of earlierFiles) for await (const { key } of recordsOf(before, path)) known.add(key);
  }
  return { ...(await gather(store, newest, chosen, known)), files };
}

async function gather(
  store: ArtifactStore,
  dataset: HubDataset,
  paths: readonly string[],
  known: ReadonlySet<string>,
): Promise<Omit<WatchedPairs, 'files'>> {
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-watch-'));
  try {
    const local = join(dir, 'pairs.jsonl');
    const fresh = new Set<string>();
    let pairs = 0;
    const lines = async function* (): AsyncGenerator<string> {
      for (const path of paths)
        for await (const { key, line } of recordsOf(dataset, path)) {
          yield `${line}\n`;
          pairs += 1;
          if (!known.has(key)) fresh.add(key);
        }
    };
    await writeStream(local, lines());
    const data = pairs > 0 ? { data: await store.putFile('pairs', local) } : {};
    return { ...data, pairs, newPairs: fresh.size };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Records as lines of JSON, each with the hash of the pair it holds. A record that is no pair is left to the dataset stage. */
async function* recordsOf(dataset: HubDataset, path: string): AsyncGenerator<{ key: string; line: string }> {
  for await (const { value } of readRows(await dataset.fetch(path), `${dataset.name}/${path}`)) {
    // Parquet has whole numbers that JSON has not.
    const line = JSON.stringify(value, (_, each: unknown) =>
      typeof each === 'bigint' ? Number(each) : each,
    );
    const parsed = parseRecord(JSON.parse(line));
    yield { key: parsed.ok ? contentKey(parsed.pair) : line, line };
  }
}

function open({ hub, file }: WatchedHub, revision: string, options: HubDatasetOptions): Promise<HubDataset> {
  return HubDataset.open(`hub:${hub}@${revision}${file === undefined ? '' : `#${file}`}`, options);
}

/** The commit that was trained on, if the hub still has it: histories of data sets are rewritten now and then. */
async function earlier(
  watched: WatchedHub,
  commit: string,
  options: HubDatasetOptions,
): Promise<HubDataset | undefined> {
  try {
    return await open(watched, commit, options);
  } catch (error) {
    if (error instanceof UserError && error.type === 'HubRefused') return undefined;
    throw error;
  }
}

function filesOf(dataset: HubDataset, { split = 'train', file }: WatchedHub): string[] {
  const named = new RegExp(`(^|[/._-])${split}([/._-]|$)`);
  const files = dataset.paths.filter(
    (path) => DATA_FILE.test(path) && !path.startsWith('.') && (file !== undefined || named.test(path)),
  );
  if (files.length > 0) return files.sort();
  const part = file === undefined ? `of split '${split}'` : `at '${file}'`;
  throw new UserError(
    'HubRefused',
    `${dataset.name} has no .jsonl, .json or .parquet file ${part}; name another split or file to watch.`,
  );
}

function sameFiles(
  newest: HubDataset,
  before: HubDataset,
  paths: readonly string[],
  earlierPaths: readonly string[],
): boolean {
  return (
    paths.length === earlierPaths.length &&
    paths.every((path) => newest.versionOf(path) === before.versionOf(path))
  );
}
