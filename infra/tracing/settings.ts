/** Whether traces are wanted, by OpenTelemetry's own variables: nobody set one, nobody pays for it. */
import { UserError } from '../../workflows/errors.js';

/**
 * True where a collector is named and nothing switches traces off.
 * @throws UserError `InvalidInput` for a protocol that is not spoken here.
 */
export function tracesWanted(env: NodeJS.ProcessEnv = process.env): boolean {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint || env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return false;
  if (env.OTEL_TRACES_EXPORTER && env.OTEL_TRACES_EXPORTER !== 'otlp') return false;
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL || 'http/json';
  if (protocol !== 'http/json')
    throw new UserError(
      'InvalidInput',
      `OTEL_EXPORTER_OTLP_PROTOCOL is '${protocol}', but traces go by HTTP with JSON: leave it out or set it to 'http/json' (collectors listen for that on port 4318).`,
    );
  return true;
}
