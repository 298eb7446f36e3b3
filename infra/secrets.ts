/** Secrets that came in by the environment, kept out of what goes to logs, histories and terminals. */

const HOLDS_A_SECRET = /(KEY|KEYS|TOKEN|SECRET|PASSWORD)$/;
/** Shorter ones (`none`, `local`) are placeholders, and ordinary words. */
const LEAST_LENGTH = 8;

/** `text` with every secret of the environment replaced by the name of its variable. */
export function redact(text: string, env: NodeJS.ProcessEnv = process.env): string {
  let clean = text;
  for (const [name, value] of Object.entries(env))
    if (value && value.length >= LEAST_LENGTH && HOLDS_A_SECRET.test(name))
      clean = clean.replaceAll(value, `[${name}]`);
  return clean;
}

/** The same error, its messages and stacks redacted down to the last cause: endpoints like to repeat what they were sent. */
export function redactError(error: unknown): unknown {
  for (let each = error, depth = 0; each instanceof Error && depth < 10; each = each.cause, depth++) {
    each.message = redact(each.message);
    if (each.stack) each.stack = redact(each.stack);
  }
  return error;
}
