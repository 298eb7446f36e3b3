/** Encrypted payloads: nothing readable on the wire, old keys still open old histories, nothing opens with a wrong one. */
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { startCodecServer } from '../../infra/codec-server.js';
import { EncryptionCodec, encryptingConverter, payloadKeys } from '../../infra/payload-encryption.js';

const key = () => randomBytes(32).toString('base64');
const codec = (keys: string) => new EncryptionCodec(payloadKeys({ RMR1_PAYLOAD_KEYS: keys })!);
const payload = (value: unknown) => defaultPayloadConverter.toPayload(value);
const dir = mkdtempSync(join(tmpdir(), 'rmr1-keys-'));
afterAll(() => rmSync(dir, { recursive: true }));

describe('the codec', () => {
  test('gives back what it was given, whatever it is', async () => {
    const one = codec(`a:${key()}`);
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.uint8Array(), async (value, bytes) => {
        const payloads: Payload[] = [payload(value), payload(bytes)];
        const sealed = await one.encode(payloads);
        const opened = await one.decode(sealed);
        expect(opened.map((each) => defaultPayloadConverter.fromPayload(each))).toEqual(
          payloads.map((each) => defaultPayloadConverter.fromPayload(each)),
        );
      }),
      { numRuns: 50 },
    );
  });

  test('shows neither content nor how the content is encoded, and never the same twice', async () => {
    const one = codec(`a:${key()}`);
    const [first, second] = await one.encode([payload('a secret word'), payload('a secret word')]);
    const wire = JSON.stringify(first, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    );
    expect(wire).not.toMatch(/secret|json\/plain/);
    expect(Buffer.from(first!.data!).equals(Buffer.from(second!.data!))).toBe(false);
  });

  test('after a rotation, the new key seals and the old one still opens; without it the key is named', async () => {
    const [old, fresh] = [key(), key()];
    const sealed = await codec(`old:${old}`).encode([payload(1)]);
    const rotated = codec(`new:${fresh},old:${old}`);
    expect(defaultPayloadConverter.fromPayload((await rotated.decode(sealed))[0]!)).toBe(1);
    const [resealed] = await rotated.encode([payload(1)]);
    await expect(codec(`old:${old}`).decode([resealed!])).rejects.toThrow(/'new'/);
    await expect(codec(`old:${fresh}`).decode(sealed)).rejects.toThrow(/does not open/);
  });

  test('opens nothing that was changed on the way, and lets plain payloads pass', async () => {
    const one = codec(`a:${key()}`);
    const [sealed] = await one.encode([payload('x')]);
    for (let index = 0; index < sealed!.data!.length; index++) {
      const data = Uint8Array.from(sealed!.data!);
      data[index] = data[index]! ^ 1;
      await expect(one.decode([{ ...sealed, data }])).rejects.toThrow(/does not open/);
    }
    const plain = payload('from before the keys');
    expect(await one.decode([plain])).toEqual([plain]);
  });
});

describe('keys', () => {
  test('come from a variable or a file; without any, nothing is encrypted', () => {
    const file = join(dir, 'keys');
    writeFileSync(file, `b:${key()}\na:${key()}\n`);
    expect([...payloadKeys({ RMR1_PAYLOAD_KEYS_FILE: file })!.keys()]).toEqual(['b', 'a']);
    expect(encryptingConverter({})).toEqual({});
    expect(() => payloadKeys({ RMR1_PAYLOAD_KEYS_FILE: join(dir, 'nowhere') })).toThrow(/cannot be read/);
  });

  test('that cannot be used are refused without being shown', () => {
    const short = randomBytes(16).toString('base64');
    for (const keys of [short, `a:${short}`, ':x', `a:${key()},a:${key()}`]) {
      let message = '';
      try {
        payloadKeys({ RMR1_PAYLOAD_KEYS: keys });
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toMatch(/key/i);
      expect(message).not.toContain(short);
    }
  });
});

test('the codec server opens payloads for the pages of its origin, and for no others', async () => {
  const one = codec(`a:${key()}`);
  const { url, server } = await startCodecServer({ codec: one, origins: ['http://ui.test'], port: 0 });
  try {
    const [sealed] = await one.encode([payload({ word: 'secret' })]);
    const encoded = {
      metadata: Object.fromEntries(
        Object.entries(sealed!.metadata!).map(([name, value]) => [
          name,
          Buffer.from(value).toString('base64'),
        ]),
      ),
      data: Buffer.from(sealed!.data!).toString('base64'),
    };
    const ask = (origin: string | undefined, body: unknown, path = '/decode') =>
      fetch(`${url}${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...(origin ? { origin } : {}) },
      });
    const answer = await ask('http://ui.test', { payloads: [encoded] });
    expect(answer.headers.get('access-control-allow-origin')).toBe('http://ui.test');
    const { payloads } = (await answer.json()) as { payloads: { data: string }[] };
    expect(JSON.parse(Buffer.from(payloads[0]!.data, 'base64').toString())).toEqual({ word: 'secret' });

    const stranger = await ask('http://evil.test', { payloads: [encoded] });
    expect(stranger.status).toBe(403);
    expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
    expect((await ask('http://ui.test', { payloads: 'x' })).status).toBe(400);
    expect((await ask('http://ui.test', {}, '/other')).status).toBe(404);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
