/** How `rmr1` ends: the one table that the command, its help and the docs use. */
import type { StoreErrorType } from '../activities/artifacts/errors.js';
import type { EngineErrorType } from '../engine/errors.js';
import type { InfraErrorType } from '../infra/local/errors.js';
import type { ErrorType } from '../workflows/errors.js';
import type { ClientErrorType } from './errors.js';

export const EXIT = {
  ok: 0,
  /** The run ended as failed, cancelled, rejected or timed out. */
  runFailed: 1,
  /** The command line, the input, the data or a recipe is wrong; nothing was started. */
  badInput: 2,
  /** Temporal, S3, an oracle or a worker does not answer. */
  unreachable: 3,
  /** A key is missing or refused. */
  credentials: 4,
  /** The run waits for a person: `rmr1 correct` mends it. */
  waiting: 5,
  /** Not foreseen: a defect of the program. */
  unexpected: 70,
  /** The terminal was closed, or the reader of a pipe is gone. */
  hungUp: 129,
  /** Ctrl-C. */
  interrupted: 130,
  /** SIGTERM. */
  terminated: 143,
} as const;

export type ExitName = keyof typeof EXIT;

/** One sentence for each code, for `rmr1 --help` and the docs. */
export const EXIT_MEANING: Record<ExitName, string> = {
  ok: 'done',
  runFailed: 'the run failed, was cancelled or rejected',
  badInput: 'wrong command line, data or recipe',
  unreachable: 'Temporal, S3, oracle or worker does not answer',
  credentials: 'a key is missing or refused',
  waiting: 'the run waits for a correction',
  unexpected: 'a defect of the program',
  hungUp: 'the terminal was closed',
  interrupted: 'Ctrl-C',
  terminated: 'SIGTERM',
};

/** Exit of every error type a user can meet; a new type without an entry does not compile. */
export const EXIT_OF_TYPE: Record<
  ErrorType | StoreErrorType | InfraErrorType | EngineErrorType | ClientErrorType,
  ExitName
> = {
  InvalidInput: 'badInput',
  BadData: 'badInput',
  HubRefused: 'badInput',
  HubUnreachable: 'unreachable',
  OracleCredentials: 'credentials',
  OracleUnreachable: 'unreachable',
  OracleRejected: 'waiting',
  JudgeCredentials: 'credentials',
  JudgeUnreachable: 'unreachable',
  JudgeRejected: 'waiting',
  BudgetExhausted: 'waiting',
  ModelUnavailable: 'waiting',
  NoTraces: 'waiting',
  StorageUnreachable: 'unreachable',
  StorageCredentials: 'credentials',
  StorageSettings: 'badInput',
  StorageRefused: 'unreachable',
  BucketMissing: 'unreachable',
  ArtifactMissing: 'runFailed',
  CorruptArtifact: 'runFailed',
  PreconditionFailed: 'runFailed',
  DiskFull: 'runFailed',
  Fenced: 'runFailed',
  TrainerLost: 'runFailed',
  TrainerRefused: 'waiting',
  RayUnreachable: 'unreachable',
  RayCredentials: 'credentials',
  RaySettings: 'badInput',
  RayRefused: 'unreachable',
  RayTooSmall: 'waiting',
  JudgeServerFailed: 'waiting',
  Usage: 'badInput',
  RunNotFound: 'badInput',
  RunNotReady: 'badInput',
  UpdateRefused: 'badInput',
  TemporalUnreachable: 'unreachable',
  TemporalCredentials: 'credentials',
  NamespaceMissing: 'unreachable',
  WorkerMissing: 'unreachable',
  ServiceFailed: 'unreachable',
  RunFailed: 'runFailed',
  RunCancelled: 'runFailed',
  RunRejected: 'runFailed',
  RunWaits: 'waiting',
  BinaryMissing: 'unreachable',
  InstallFailed: 'unreachable',
  ServerFailed: 'unreachable',
  TemporalRefused: 'unreachable',
  SearchAttributes: 'unreachable',
  StackBusy: 'badInput',
  StackMissing: 'unreachable',
  EngineBadJob: 'badInput',
  EngineBadData: 'badInput',
  EngineFailed: 'unexpected',
  Interrupted: 'interrupted',
};

/** Exit code of an error type; types of later workers or of defects are `unexpected`. */
export function exitCodeOf(type: string | undefined): number {
  const name =
    type !== undefined && Object.hasOwn(EXIT_OF_TYPE, type)
      ? EXIT_OF_TYPE[type as keyof typeof EXIT_OF_TYPE]
      : 'unexpected';
  return EXIT[name];
}
