/** The champion alias: which judge is the one in use, moved by compare-and-swap, with history and a way back. */
import { z } from 'zod';
import { UserError } from '../../workflows/errors.js';
import { isStoreError } from '../artifacts/errors.js';
import { artifactRefSchema } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';

/** What a judge was trained on, to tell later which pairs are new. */
const trainedOnSchema = z.strictObject({
  pairs: z.int().nonnegative(),
  /** Version (ETag or revision) of every watched file, by key. */
  files: z.record(z.string(), z.string()),
});

/** A judge that can become champion. */
export const candidateSchema = z.strictObject({
  workflowId: z.string().min(1),
  model: artifactRefSchema,
  /** The resolved recipe: how pairs are shown to this judge. */
  recipe: artifactRefSchema,
  scores: artifactRefSchema.optional(),
  trainedOn: trainedOnSchema.optional(),
});
export type Candidate = z.infer<typeof candidateSchema>;

const entrySchema = candidateSchema.extend({
  /** Counts every move of the alias; 1 is the first. */
  version: z.int().positive(),
  action: z.enum(['promote', 'rollback']),
  at: z.string(),
  by: z.string(),
  reason: z.string(),
});
export type ChampionEntry = z.infer<typeof entrySchema>;

const recordSchema = z.strictObject({
  alias: z.string(),
  /** Oldest first; the last one is the champion. */
  history: z.array(entrySchema).min(1),
});

/** The alias as it stands; version 0 and no champion before the first promotion. */
export interface Champion {
  alias: string;
  version: number;
  current?: ChampionEntry;
  history: ChampionEntry[];
}

export interface Move {
  by: string;
  reason: string;
}

export type PromotionResult =
  /** The alias points to the candidate now. `stands`: it did so already, by this very promotion. */
  | { status: 'promoted' | 'stands'; version: number }
  /** This run was promoted before and has been replaced since. */
  | { status: 'superseded'; version: number }
  /** Another move came between; compare with the new champion and try again. */
  | { status: 'moved'; version: number };

const MOST_SWAPS = 50;
const keyOf = (alias: string) => `registry/${alias}.json`;

/** An alias is part of a key: no slashes, no dots. */
const aliasSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'use lower-case letters, digits and -');

/** @throws StoreError `CorruptArtifact`. */
export async function readChampion(
  store: ArtifactStore,
  alias: string,
): Promise<Champion & { etag?: string }> {
  const found = await store.getJson(keyOf(aliasSchema.parse(alias)));
  if (!found) return { alias, version: 0, history: [] };
  const { history } = recordSchema.parse(found.value);
  const current = history.at(-1)!;
  return { alias, version: current.version, current, history, etag: found.etag };
}

/**
 * Point the alias to `candidate`. A run is promoted at most once, however often this is called for it.
 * @param expectedVersion the version the candidate was compared with; another one answers `moved`.
 */
export async function promote(
  store: ArtifactStore,
  alias: string,
  candidate: Candidate,
  move: Move,
  expectedVersion?: number,
): Promise<PromotionResult> {
  for (let swap = 0; ; swap++) {
    const standing = await readChampion(store, alias);
    const { version, current, history } = standing;
    const earlier = history.find(
      ({ action, workflowId, model }) =>
        action === 'promote' &&
        workflowId === candidate.workflowId &&
        model.sha256 === candidate.model.sha256,
    );
    if (earlier) return { status: earlier === current ? 'stands' : 'superseded', version };
    if (expectedVersion !== undefined && expectedVersion !== version) return { status: 'moved', version };
    const next = await append(store, standing, { ...candidate, action: 'promote', ...move });
    if (next !== undefined) return { status: 'promoted', version: next };
    if (swap >= MOST_SWAPS) throw swapsExhausted(alias);
  }
}

/**
 * Point the alias back to the judge of version `to`, by default the one before the present.
 * @throws UserError `InvalidInput` where there is no such version.
 */
export async function rollback(
  store: ArtifactStore,
  alias: string,
  move: Move,
  to?: number,
): Promise<ChampionEntry> {
  for (let swap = 0; ; swap++) {
    const standing = await readChampion(store, alias);
    const { current, history } = standing;
    const target =
      to === undefined
        ? history.findLast(({ model }) => model.sha256 !== current?.model.sha256)
        : history.find(({ version }) => version === to);
    if (!target) {
      throw new UserError(
        'InvalidInput',
        to === undefined
          ? `'${alias}' has no earlier judge to go back to.`
          : `'${alias}' has no version ${to}; \`rmr1 champion show\` lists them.`,
      );
    }
    const next = await append(store, standing, { ...target, action: 'rollback', ...move });
    if (next !== undefined) return { ...target, version: next, action: 'rollback', ...move, at: '' };
    if (swap >= MOST_SWAPS) throw swapsExhausted(alias);
  }
}

/** One move under compare-and-swap; undefined where another writer was first. */
async function append(
  store: ArtifactStore,
  standing: Champion & { etag?: string },
  entry: Omit<ChampionEntry, 'version' | 'at'>,
): Promise<number | undefined> {
  const version = standing.version + 1;
  const history = [...standing.history, { ...entry, version, at: new Date().toISOString() }];
  try {
    await store.putJson(
      keyOf(standing.alias),
      { alias: standing.alias, history },
      standing.etag ? { ifMatch: standing.etag } : { ifNoneMatch: true },
    );
    return version;
  } catch (error) {
    if (isStoreError(error, 'PreconditionFailed')) return undefined;
    throw error;
  }
}

function swapsExhausted(alias: string): UserError {
  return new UserError(
    'PreconditionFailed',
    `'${alias}' was moved by others ${MOST_SWAPS} times in a row. Try again.`,
  );
}
