import { temporalTarget } from '../../infra/temporal-target.js';
import { startCodecServer } from '../../infra/codec-server.js';
import { EncryptionCodec, payloadKeys } from '../../infra/payload-encryption.js';
import { ClientError } from '../errors.js';
import { listenForInterrupt } from '../interrupt.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';

export interface CodecServerOptions extends SharedOptions {
  port: number;
  origin?: string[];
}

/** Serves until it is interrupted. */
export async function run(options: CodecServerOptions): Promise<number | void> {
  const keys = payloadKeys();
  if (!keys)
    throw new ClientError('Usage', 'No payload keys: set RMR1_PAYLOAD_KEYS or RMR1_PAYLOAD_KEYS_FILE first.');
  const { uiUrl } = temporalTarget();
  const origins = options.origin ?? (uiUrl ? [new URL(uiUrl).origin] : []);
  const interrupt = listenForInterrupt();
  const { url, server } = await startCodecServer({
    codec: new EncryptionCodec(keys),
    origins,
    port: options.port,
  });
  print(
    options.json,
    { url, origins },
    () =>
      `Codec server: ${url}\nFor pages of: ${origins.join(', ') || 'nobody yet; give --origin URL'}\n` +
      'Enter the address in the Temporal UI (glasses icon, "Codec Server").',
  );
  await new Promise<void>((resolve) => {
    interrupt.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return interrupt.exitCode();
}
