/** What may be deleted: a pure decision from what lies in the bucket and what is still reached. */
import { objectKey } from './objects.js';
import type { ArtifactRef, Manifest } from './ref.js';

const DAY_MS = 86_400_000;

/** Ages in days; nothing younger is touched. */
export interface RetentionPolicy {
  /** Checkpoints of stages that are finished. */
  finishedCheckpoints: number;
  /** Checkpoints of stages that nobody finished. */
  abandonedCheckpoints: number;
  /** Objects that no manifest and no champion reaches, such as the shards of a finished stage. */
  unreachedObjects: number;
}

export interface StoredKey {
  key: string;
  bytes: number;
  modifiedAt: Date;
}

export interface Reach {
  manifests: readonly Pick<Manifest, 'key' | 'outputs' | 'parents'>[];
  /** Models, recipes and scores of every champion, past ones included. */
  champions: readonly ArtifactRef[];
  /** Hashes of a directory artefact's files, by the hash of its listing. */
  files: ReadonlyMap<string, readonly string[]>;
}

export interface Doomed extends StoredKey {
  reason: 'checkpoint of a finished stage' | 'checkpoint of an abandoned stage' | 'reached by nothing';
}

/** Hashes of every object that a manifest or a champion reaches, files of directories included. */
function reachedHashes({ manifests, champions, files }: Reach): Set<string> {
  const refs = [
    ...manifests.flatMap(({ outputs, parents }) => [...Object.values(outputs), ...Object.values(parents)]),
    ...champions,
  ];
  const reached = new Set(refs.map(({ sha256 }) => sha256));
  for (const hash of [...reached]) for (const file of files.get(hash) ?? []) reached.add(file);
  return reached;
}

/** Which keys the policy gives up at `now`. Fences stay: they keep zombies out. Answers of an oracle stay: they were paid for. */
export function doomedKeys(
  keys: Iterable<StoredKey>,
  reach: Reach,
  policy: RetentionPolicy,
  now: Date,
): Doomed[] {
  const reached = new Set([...reachedHashes(reach)].map(objectKey));
  const finished = new Set(reach.manifests.map(({ key }) => key));
  const doomed: Doomed[] = [];
  for (const stored of keys) {
    const days = (now.getTime() - stored.modifiedAt.getTime()) / DAY_MS;
    const checkpoint = /^checkpoints\/([^/]+)\/step-/.exec(stored.key);
    if (checkpoint) {
      const isFinished = finished.has(checkpoint[1]!);
      if (days < (isFinished ? policy.finishedCheckpoints : policy.abandonedCheckpoints)) continue;
      doomed.push({
        ...stored,
        reason: isFinished ? 'checkpoint of a finished stage' : 'checkpoint of an abandoned stage',
      });
    } else if (stored.key.startsWith('objects/')) {
      if (reached.has(stored.key) || days < policy.unreachedObjects) continue;
      doomed.push({ ...stored, reason: 'reached by nothing' });
    }
  }
  return doomed;
}
