/**
 * Every error a run can meet, by its stable string type: the one list behind retries, corrections, exit codes and docs.
 * `instanceof` does not survive the workflow sandbox or the wire; the type string does.
 */

export interface ErrorPolicy {
  /** Retried by Temporal, within the bounds of its activity group. */
  retry: boolean;
  /** What the workflow does when retries are spent: fail the run, or wait for a person to correct and go on. */
  then: 'fail' | 'await-correction';
}

export const ERROR_TYPES = {
  /** A field of the input, an override or a recipe is wrong or unknown. */
  InvalidInput: { retry: false, then: 'fail' },
  /** The user's data cannot be used; the message names file, line and field. */
  BadData: { retry: false, then: 'fail' },
  /** A hub data set does not exist or is not open to the token. */
  HubRefused: { retry: false, then: 'await-correction' },
  HubUnreachable: { retry: true, then: 'await-correction' },
  OracleCredentials: { retry: false, then: 'await-correction' },
  OracleUnreachable: { retry: true, then: 'await-correction' },
  /** The oracle refuses the request itself (unknown model, malformed, too long). */
  OracleRejected: { retry: false, then: 'await-correction' },
  JudgeCredentials: { retry: false, then: 'await-correction' },
  JudgeUnreachable: { retry: true, then: 'await-correction' },
  /** The judge's endpoint refuses every request (unknown model, malformed, too long). */
  JudgeRejected: { retry: false, then: 'await-correction' },
  BudgetExhausted: { retry: false, then: 'await-correction' },
  /** A pretrained base model cannot be fetched, or is of a kind that the engine does not run. */
  ModelUnavailable: { retry: true, then: 'await-correction' },
  /** Too few traces passed the filter to train on. */
  NoTraces: { retry: false, then: 'await-correction' },
  StorageUnreachable: { retry: true, then: 'await-correction' },
  StorageCredentials: { retry: false, then: 'await-correction' },
  /** The settings of the store cannot be used. */
  StorageSettings: { retry: false, then: 'await-correction' },
  /** The store refused a request. */
  StorageRefused: { retry: true, then: 'await-correction' },
  ArtifactMissing: { retry: false, then: 'await-correction' },
  /** Another writer was first; the next attempt reads what it wrote. */
  PreconditionFailed: { retry: true, then: 'await-correction' },
  BucketMissing: { retry: false, then: 'await-correction' },
  CorruptArtifact: { retry: false, then: 'await-correction' },
  DiskFull: { retry: false, then: 'await-correction' },
  /** A newer attempt owns the stage: this one must not write any more. */
  Fenced: { retry: true, then: 'await-correction' },
  /** The trainer process died or stalled; the next attempt resumes from the newest checkpoint. */
  TrainerLost: { retry: true, then: 'await-correction' },
  /** The training job cannot work as set (exit 64 or 65 of the trainer). */
  TrainerRefused: { retry: false, then: 'await-correction' },
  /** No Ray cluster of the worker's RMR1_RAY_ADDRESS answers; a job on one may be alive all the same. */
  RayUnreachable: { retry: true, then: 'await-correction' },
  RayCredentials: { retry: false, then: 'await-correction' },
  /** The addresses of the clusters are missing or are not those of Ray's dashboard. */
  RaySettings: { retry: false, then: 'await-correction' },
  /** The cluster does not take the job. */
  RayRefused: { retry: true, then: 'await-correction' },
  /** The cluster has fewer CPUs or GPUs than the recipe's stage reserves. */
  RayTooSmall: { retry: false, then: 'await-correction' },
  /** The server of the judge's model does not come up, or cannot be reached, on several tries. */
  JudgeServerFailed: { retry: false, then: 'await-correction' },
} as const satisfies Record<string, ErrorPolicy>;

export type ErrorType = keyof typeof ERROR_TYPES;

export const NON_RETRYABLE = Object.entries(ERROR_TYPES)
  .filter(([, policy]) => !policy.retry)
  .map(([type]) => type);

/** What the workflow does with a failure of this type; anything unlisted waits for a person. */
export function policyOf(type: string | null | undefined): ErrorPolicy {
  return type && type in ERROR_TYPES
    ? ERROR_TYPES[type as ErrorType]
    : { retry: true, then: 'await-correction' };
}

/** An error a user can meet: one clear sentence that says what to do, and its stable type. */
export class UserError extends Error {
  constructor(
    readonly type: ErrorType,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = type;
  }
}
