/** TLS in front of a server that speaks none, with certificates made for the occasion: what a hosted Temporal looks like. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';

/** Files of an authority, a server for 127.0.0.1 and a client, below `dir`. Needs `openssl` on PATH. */
export function makeCertificates(dir: string) {
  const at = (name: string) => join(dir, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  const key = (name: string) => [
    ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', at(`${name}.key`), '-subj', `/CN=${name}`],
  ];
  openssl('req', '-x509', ...key('ca'), '-days', '2', '-out', at('ca.pem'));
  writeFileSync(at('san'), 'subjectAltName=IP:127.0.0.1');
  for (const name of ['server', 'client']) {
    openssl('req', ...key(name), '-out', at(`${name}.csr`));
    const authority = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2'];
    openssl(
      'x509',
      '-req',
      '-in',
      at(`${name}.csr`),
      ...authority,
      '-extfile',
      at('san'),
      '-out',
      at(`${name}.pem`),
    );
  }
  return {
    ca: at('ca.pem'),
    server: { cert: at('server.pem'), key: at('server.key') },
    client: { cert: at('client.pem'), key: at('client.key') },
  };
}

/** Forwards what arrives over mutual TLS to `target`; clients without a certificate of the authority are cut off. */
export async function startTlsFront(target: string, files: ReturnType<typeof makeCertificates>) {
  const [host, port] = target.split(':') as [string, string];
  const sockets = new Set<Socket>();
  const server = createServer(
    {
      cert: readFileSync(files.server.cert),
      key: readFileSync(files.server.key),
      ca: readFileSync(files.ca),
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ['h2'],
    },
    (secure) => {
      const plain = connect(Number(port), host);
      for (const socket of [secure, plain]) {
        sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      }
      secure.pipe(plain).pipe(secure);
    },
  ).on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
