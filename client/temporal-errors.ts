/** Temporal's errors as sentences for people. */
import { isGrpcServiceError } from '@temporalio/client';
import { ClientError } from './errors.js';

/** gRPC status codes that mean something to a user; the numbers are fixed by the protocol. */
const GRPC = {
  cancelled: 1,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  failedPrecondition: 9,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export interface TemporalPlace {
  address: string;
  namespace: string;
  workflowId?: string;
  /** Queue whose worker would have answered, named where none does. */
  taskQueue?: string;
}

/** Any error of a call to Temporal as a {@link ClientError} that says what to do; other errors stay as they are. */
export function translateTemporalError(error: unknown, place: TemporalPlace): Error {
  if (!(error instanceof Error) || error instanceof ClientError) return asError(error);
  switch (error.name) {
    case 'WorkflowNotFoundError':
      return runNotFound(place, error);
    case 'NamespaceNotFoundError':
      return namespaceMissing(place, error);
    case 'WorkflowFailedError':
      return runFailure(place.workflowId ?? 'The run', error);
    case 'WorkflowUpdateFailedError':
      return new ClientError('UpdateRefused', deepestMessage(error), { cause: error });
    case 'WorkflowUpdateRPCTimeoutOrCancelledError':
      return workerMissing(place, error);
    case 'QueryNotRegisteredError':
      return new ClientError(
        'RunNotFound',
        `${place.workflowId} is not a run of this program: it has no such query.`,
        { cause: error },
      );
  }
  return translateStatus(error, place) ?? error;
}

function translateStatus(error: Error, place: TemporalPlace): ClientError | undefined {
  const status = grpcStatus(error);
  if (!status)
    return /connect.*before the deadline/i.test(error.message) ? unreachable(place, error) : undefined;
  switch (status.code) {
    case GRPC.unavailable:
      return unreachable(place, error);
    case GRPC.unauthenticated:
    case GRPC.permissionDenied:
      return new ClientError(
        'TemporalCredentials',
        `Temporal at ${place.address} refused access to namespace '${place.namespace}' (${status.details}). ` +
          'Set TEMPORAL_API_KEY to a key that may use it.',
        { cause: error },
      );
    case GRPC.notFound:
      if (/namespace/i.test(status.details)) return namespaceMissing(place, error);
      return runNotFound(place, error);
    case GRPC.failedPrecondition:
      return workerMissing(place, error);
    case GRPC.deadlineExceeded:
    case GRPC.cancelled:
      return place.taskQueue ? workerMissing(place, error) : unreachable(place, error);
    default:
      return new ClientError(
        'TemporalUnreachable',
        `Temporal at ${place.address} answered: ${status.details}. Check the server's log.`,
        { cause: error },
      );
  }
}

/** The failure that ended a run, with the type that the workflow gave it. */
function runFailure(workflowId: string, error: Error): ClientError {
  const cause = deepestCause(error);
  const type = (cause as { type?: unknown }).type;
  if (cause.name === 'CancelledFailure') {
    return new ClientError('RunCancelled', `${workflowId} was cancelled.`, { cause: error });
  }
  if (cause.name === 'TerminatedFailure') {
    return new ClientError('RunCancelled', `${workflowId} was terminated.`, { cause: error });
  }
  return new ClientError(
    typeof type === 'string' && type !== '' ? type : 'RunFailed',
    `${workflowId} failed: ${cause.message}`,
    { cause: error },
  );
}

function runNotFound({ workflowId, namespace, address }: TemporalPlace, cause?: Error): ClientError {
  return new ClientError(
    'RunNotFound',
    `There is no run '${workflowId}' in namespace '${namespace}' at ${address}. \`rmr1 runs\` lists them.`,
    { cause },
  );
}

function namespaceMissing({ namespace, address }: TemporalPlace, cause: Error): ClientError {
  return new ClientError(
    'NamespaceMissing',
    `Namespace '${namespace}' does not exist at ${address}. Create it ` +
      `(temporal operator namespace create -n ${namespace} --address ${address}), or name another in TEMPORAL_NAMESPACE.`,
    { cause },
  );
}

function unreachable({ address }: TemporalPlace, cause: Error): ClientError {
  return new ClientError(
    'TemporalUnreachable',
    `Cannot reach Temporal at ${address}. Start it with \`rmr1 up\`, or set TEMPORAL_ADDRESS to a running one.`,
    { cause },
  );
}

function workerMissing({ workflowId, taskQueue }: TemporalPlace, cause: Error): ClientError {
  return new ClientError(
    'WorkerMissing',
    `No worker answers for ${workflowId ?? 'the run'} on task queue '${taskQueue ?? 'rmr1'}'. ` +
      'Start one with `rmr1 worker`, or everything with `rmr1 up`.',
    { cause },
  );
}

function grpcStatus(error: Error): { code: number; details: string } | undefined {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause)) return { code: cause.code, details: cause.details };
  }
  return undefined;
}

function deepestCause(error: Error): Error {
  let cause = error;
  while (cause.cause instanceof Error) cause = cause.cause;
  return cause;
}

const deepestMessage = (error: Error): string => deepestCause(error).message;
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
