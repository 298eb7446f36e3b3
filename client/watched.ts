/** What `--watch` names. */
import type { RetrainInput } from '../workflows/retrain-messages.js';

const HUB = /^hub:(?<hub>[^@#]+)(?:@(?<revision>[^#]+))?(?:#(?<part>.+))?$/;

/** `hub:owner/name[@revision][#split or file]`, or a prefix of the bucket; a part with a dot or a slash is a file or folder. */
export function watchedBy(text: string): RetrainInput['watch'] {
  const { hub, revision, part } = HUB.exec(text)?.groups ?? {};
  if (!hub) return text;
  const named = part === undefined ? {} : /[./]/.test(part) ? { file: part } : { split: part };
  return { hub, ...(revision ? { revision } : {}), ...named };
}
