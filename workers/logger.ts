import pino from 'pino';
import { redact } from '../infra/secrets.js';

/** JSON lines on stderr. Level by `RMR1_LOG_LEVEL`. Neither keys nor texts that hold a secret are printed. */
export const logger = pino(
  {
    level: process.env.RMR1_LOG_LEVEL ?? 'info',
    redact: {
      paths: ['*.apiKey', '*.secretAccessKey', '*.authorization', 'apiKey', 'secretAccessKey'],
      remove: true,
    },
    // The worker library logs the error of a failed activity under this name; as it is, JSON would make it {}.
    serializers: { error: pino.stdSerializers.errWithCause },
    hooks: { streamWrite: redact },
  },
  pino.destination({ dest: 2, sync: true }),
);
