/** Payloads encrypted before they leave this process: AES-256-GCM, with keys that can be rotated. */
import {
  METADATA_ENCODING_KEY,
  type DataConverter,
  type Payload,
  type PayloadCodec,
} from '@temporalio/common';
import proto from '@temporalio/proto';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { UserError } from '../workflows/errors.js';

const { Payload: PayloadMessage } = proto.temporal.api.common.v1;

const ENCODING = 'binary/encrypted';
const KEY_ID = 'encryption-key-id';
const KEY_BYTES = 32;
/** Recommended for GCM; a fresh one for every payload. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Keys by id. The first one encrypts, all of them decrypt: rotate by putting a new one in front. */
export type PayloadKeys = ReadonlyMap<string, Uint8Array>;

/** Encrypts whole payloads, metadata included; what is not encrypted passes through when decoding. */
export class EncryptionCodec implements PayloadCodec {
  constructor(private readonly keys: PayloadKeys) {}

  async encode(payloads: Payload[]): Promise<Payload[]> {
    const [id, key] = [...this.keys][0]!;
    return payloads.map((payload) => seal(payload, id, key));
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      if (text(payload.metadata?.[METADATA_ENCODING_KEY]) !== ENCODING) return payload;
      const id = text(payload.metadata?.[KEY_ID]);
      const key = this.keys.get(id);
      if (key) return open(payload, id, key);
      throw new UserError(
        'InvalidInput',
        `A payload is encrypted with the key '${id}', which is not among RMR1_PAYLOAD_KEYS. Add it after the newest one.`,
      );
    });
  }
}

function seal(payload: Payload, id: string, key: Uint8Array): Payload {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(id));
  const plain = PayloadMessage.encode(PayloadMessage.create(payload)).finish();
  const data = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return {
    metadata: { [METADATA_ENCODING_KEY]: Buffer.from(ENCODING), [KEY_ID]: Buffer.from(id) },
    data,
  };
}

function open(payload: Payload, id: string, key: Uint8Array): Payload {
  const data = Buffer.from(payload.data ?? []);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(id))
      .setAuthTag(data.subarray(data.length - TAG_BYTES));
    const sealed = data.subarray(NONCE_BYTES, data.length - TAG_BYTES);
    const { metadata, data: plain } = PayloadMessage.decode(
      Buffer.concat([decipher.update(sealed), decipher.final()]),
    );
    return { metadata, data: plain };
  } catch (error) {
    throw new UserError(
      'InvalidInput',
      `A payload does not open with the key '${id}': it was changed, or the key is another one of that name.`,
      { cause: error },
    );
  }
}

/**
 * Keys from `RMR1_PAYLOAD_KEYS` (`id:base64,id:base64`, 32 bytes each) or, one a line, from the file that
 * `RMR1_PAYLOAD_KEYS_FILE` names; undefined where neither is set.
 * @throws UserError `InvalidInput` that names the key, never its value.
 */
export function payloadKeys(env: NodeJS.ProcessEnv = process.env): PayloadKeys | undefined {
  const file = env.RMR1_PAYLOAD_KEYS_FILE;
  const given = env.RMR1_PAYLOAD_KEYS || (file ? readKeys(file) : undefined);
  if (!given) return undefined;
  const keys = new Map<string, Uint8Array>();
  for (const [index, entry] of given.split(/[,\n]/).entries()) {
    if (entry.trim() === '') continue;
    const [id, encoded] = entry.trim().split(':', 2);
    const key = Buffer.from(encoded ?? '', 'base64');
    if (!id || key.length !== KEY_BYTES)
      throw new UserError(
        'InvalidInput',
        `Payload key ${index + 1} is not of the form id:base64 with ${KEY_BYTES} bytes. Make one with \`openssl rand -base64 32\`.`,
      );
    if (keys.has(id)) throw new UserError('InvalidInput', `There are two payload keys called '${id}'.`);
    keys.set(id, key);
  }
  return keys.size > 0 ? keys : undefined;
}

function readKeys(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError('InvalidInput', `RMR1_PAYLOAD_KEYS_FILE: ${file} cannot be read.`, { cause: error });
  }
}

/** Options for clients and workers; none where no keys are set and payloads stay readable. */
export function encryptingConverter(env: NodeJS.ProcessEnv = process.env): { dataConverter?: DataConverter } {
  const keys = payloadKeys(env);
  return keys ? { dataConverter: { payloadCodecs: [new EncryptionCodec(keys)] } } : {};
}

function text(bytes: Uint8Array | null | undefined): string {
  return Buffer.from(bytes ?? []).toString('utf8');
}
