/** The artefact store on a real S3 against a model of maps, under operations in any order by two processes. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256Hex } from '../../activities/artifacts/hashing.js';
import type { ArtifactRef, Manifest } from '../../activities/artifacts/ref.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { vandalise } from './raw-bucket.js';
import { freshKey, useStore } from './shared-store.js';

const s3 = useStore();

interface Model {
  /** Stored content, by name; `sound` is false once somebody overwrote it behind the store's back. */
  objects: Map<string, { ref: ArtifactRef; body: string; sound: boolean }>;
  /** Text of each record. */
  records: Map<string, string>;
  /** What each process last read of each record. */
  seen: Map<string, { etag: string; text: string }>;
  manifests: Map<string, string>;
  stage: { attempt: number; steps: number[] };
}
interface Real {
  stores: ArtifactStore[];
  stage: string;
  records: string;
  dir: string;
}
type StoreCommand = fc.AsyncCommand<Model, Real>;
const named = (text: string, command: Omit<StoreCommand, 'toString'>): StoreCommand => ({
  ...command,
  toString: () => text,
});
const always = () => true;

const put = (who: number, body: string) =>
  named(`put(${who}, ${body})`, {
    check: always,
    async run({ objects }, { stores, stage }) {
      const content = `${body} of ${stage}`;
      const ref = await stores[who]!.putBytes('outputs', content);
      expect(ref.sha256).toBe(sha256Hex(content));
      const before = objects.get(body);
      // Content of the same length passes for stored; what it is shows when it is read.
      objects.set(body, { ref, body: content, sound: before?.sound ?? true });
    },
  });
const get = (who: number, body: string) =>
  named(`get(${who}, ${body})`, {
    check: ({ objects }) => objects.has(body),
    async run({ objects }, { stores }) {
      const { ref, body: content, sound } = objects.get(body)!;
      const read = stores[who]!.getBytes(ref);
      if (sound) expect((await read).toString()).toBe(content);
      else await expect(read).rejects.toMatchObject({ type: 'CorruptArtifact' });
    },
  });
const damage = (body: string) =>
  named(`damage(${body})`, {
    check: ({ objects }) => objects.get(body)?.sound === true,
    async run({ objects }) {
      const object = objects.get(body)!;
      const key = `objects/${object.ref.sha256.slice(0, 2)}/${object.ref.sha256}`;
      await vandalise(s3.settings, key, 'x'.repeat(object.body.length));
      object.sound = false;
    },
  });
const read = (who: number, key: string) =>
  named(`read(${who}, ${key})`, {
    check: always,
    async run({ records, seen }, { stores, records: root }) {
      const found = await stores[who]!.getJson(root + key);
      const text = records.get(key);
      expect(found?.value).toEqual(text === undefined ? undefined : { text });
      if (found) seen.set(`${who} ${key}`, { etag: found.etag, text: text! });
    },
  });
const create = (who: number, key: string, text: string) =>
  named(`create(${who}, ${key}, ${text})`, {
    check: always,
    async run({ records }, { stores, records: root }) {
      const writing = stores[who]!.putJson(root + key, { text }, { ifNoneMatch: true });
      if (records.has(key)) return expect(writing).rejects.toMatchObject({ type: 'PreconditionFailed' });
      await writing;
      records.set(key, text);
    },
  });
/** Compare-and-swap on what this process read last, which another one may have changed since. */
const swap = (who: number, key: string, text: string) =>
  named(`swap(${who}, ${key}, ${text})`, {
    check: ({ seen }) => seen.has(`${who} ${key}`),
    async run({ records, seen }, { stores, records: root }) {
      const last = seen.get(`${who} ${key}`)!;
      const writing = stores[who]!.putJson(root + key, { text }, { ifMatch: last.etag });
      // A version is the content's: back to the same content is back to the same version.
      if (records.get(key) !== last.text)
        return expect(writing).rejects.toMatchObject({ type: 'PreconditionFailed' });
      const { etag } = await writing;
      records.set(key, text);
      seen.set(`${who} ${key}`, { etag, text });
    },
  });
const remove = (who: number, key: string) =>
  named(`remove(${who}, ${key})`, {
    check: always,
    async run({ records }, { stores, records: root }) {
      await stores[who]!.deleteJson(root + key);
      records.delete(key);
    },
  });
const list = (who: number) =>
  named(`list(${who})`, {
    check: always,
    async run({ records }, { stores, records: root }) {
      expect(await stores[who]!.listKeys(root)).toEqual([...records.keys()].sort().map((key) => root + key));
    },
  });
const claim = (who: number) =>
  named(`claim(${who})`, {
    check: always,
    async run({ stage }, { stores, stage: key }) {
      const claimed = await stores[who]!.claimStage(key, `process ${who}`);
      expect(claimed.attempt).toBe(stage.attempt + 1);
      expect(claimed.latest?.step).toBe(stage.steps.at(-1));
      stage.attempt += 1;
    },
  });
/** By the present attempt, or by one that was overtaken. */
const save = (who: number, behind: number) =>
  named(`save(${who}, ${behind} behind)`, {
    check: ({ stage }) => stage.attempt - behind >= 1,
    async run({ stage }, { stores, stage: key, dir }) {
      const step = (stage.steps.at(-1) ?? 0) + 1;
      const from = join(dir, freshKey());
      await mkdir(from, { recursive: true });
      await writeFile(join(from, 'weights'), `step ${step}`);
      const saving = stores[who]!.saveCheckpoint(key, step, stage.attempt - behind, from);
      if (behind > 0) return expect(saving).rejects.toMatchObject({ type: 'Fenced' });
      await saving;
      stage.steps.push(step);
    },
  });
const prune = (who: number, keep: number) =>
  named(`prune(${who}, ${keep})`, {
    check: always,
    async run({ stage }, { stores, stage: key }) {
      await stores[who]!.pruneCheckpoints(key, keep);
      stage.steps = stage.steps.slice(-keep);
    },
  });
const resume = (who: number) =>
  named(`resume(${who})`, {
    check: always,
    async run({ stage }, { stores, stage: key, dir }) {
      const into = join(dir, freshKey());
      await mkdir(into, { recursive: true });
      const found = await stores[who]!.fetchCheckpoint(key, into);
      expect(found?.checkpoint.step).toBe(stage.steps.at(-1));
      if (found) expect(await readFile(join(into, 'weights'), 'utf8')).toBe(`step ${found.checkpoint.step}`);
      const all = await stores[who]!.listCheckpoints(key);
      expect(all.map(({ step }) => step)).toEqual([...stage.steps].reverse());
    },
  });
const publish = (who: number, key: string, body: string) =>
  named(`publish(${who}, ${key}, ${body})`, {
    check: ({ objects }) => objects.has(body),
    async run({ manifests, objects }, { stores, stage }) {
      const { ref } = objects.get(body)!;
      const { status, manifest } = await stores[who]!.publishManifest(manifestOf(stage + key, ref));
      const standing = manifests.get(key);
      expect(status).toBe(standing === undefined ? 'created' : 'exists');
      manifests.set(key, standing ?? body);
      expect(manifest.outputs['it']).toEqual(objects.get(standing ?? body)!.ref);
      expect(await stores[1 - who]!.readManifest('sft', stage + key)).toEqual(manifest);
    },
  });

function manifestOf(key: string, it: ArtifactRef): Manifest {
  return {
    ...{ key, stage: 'sft', outputs: { it }, parents: {}, settings: {}, seed: 1, metrics: {} },
    cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
    ...{ codeCommit: 'x', startedBy: 'test', workflowId: 'w', attempt: 1, createdAt: '2026-01-01T00:00:00Z' },
  };
}

test('two processes see what a map would hold, whatever they do in whatever order', async () => {
  const who = fc.nat({ max: 1 });
  const body = fc.constantFrom('a', 'b', 'c');
  const key = fc.constantFrom('one', 'two');
  const commands = [
    fc.tuple(who, body).map((given) => put(...given)),
    fc.tuple(who, body).map((given) => get(...given)),
    body.map(damage),
    fc.tuple(who, key).map((given) => read(...given)),
    fc.tuple(who, key, body).map((given) => create(...given)),
    fc.tuple(who, key, body).map((given) => swap(...given)),
    fc.tuple(who, key).map((given) => remove(...given)),
    who.map(list),
    who.map(claim),
    fc.tuple(who, fc.nat({ max: 1 })).map((given) => save(...given)),
    fc.tuple(who, fc.integer({ min: 1, max: 2 })).map((given) => prune(...given)),
    who.map(resume),
    fc.tuple(who, key, body).map((given) => publish(...given)),
  ];
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: 'max' }), (chosen) =>
      fc.asyncModelRun(() => {
        const stage = freshKey();
        const model: Model = {
          ...{ objects: new Map(), records: new Map(), seen: new Map(), manifests: new Map() },
          stage: { attempt: 0, steps: [] },
        };
        const stores = [s3.another(), s3.another()];
        return { model, real: { stores, stage, records: `test-records-${stage}/`, dir: s3.dir } };
      }, chosen),
    ),
    { numRuns: 12 },
  );
});
