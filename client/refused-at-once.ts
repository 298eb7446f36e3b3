/** gRPC waits out its whole deadline even where nothing listens; on this machine that can be known at once. */
import { connect } from 'node:net';

const LOOPBACK = /^(127(?:\.\d{1,3}){3}|localhost|\[::1\]):(\d+)$/;

/** @throws Error naming the deadline, as gRPC would later, where `address` is on this machine and refuses. */
export async function refusedAtOnce(address: string): Promise<void> {
  const [, host, port] = LOOPBACK.exec(address) ?? [];
  if (!host) return;
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: host.replaceAll(/[[\]]/g, ''), port: Number(port) });
    const settle = (error?: NodeJS.ErrnoException): void => {
      socket.destroy();
      if (error?.code === 'ECONNREFUSED') {
        reject(new Error('Failed to connect before the deadline', { cause: error }));
      } else resolve();
    };
    socket.setTimeout(1_000, () => settle());
    socket.once('connect', () => settle());
    socket.once('error', settle);
  });
}
