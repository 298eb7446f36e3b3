import pino from 'pino';

/** JSON lines on stderr. Level by `RMR1_LOG_LEVEL`. Keys that could hold a secret are never printed. */
export const logger = pino(
  {
    level: process.env.RMR1_LOG_LEVEL ?? 'info',
    redact: {
      paths: ['*.apiKey', '*.secretAccessKey', '*.authorization', 'apiKey', 'secretAccessKey'],
      remove: true,
    },
  },
  pino.destination({ dest: 2, sync: true }),
);
