import { cancellationDetails, cancelled } from '@temporalio/activity';

/**
 * An activity that a person paused (Temporal UI, CLI) must end as interrupted: it then stays with the server until it is
 * unpaused. With the result it gives to its workflow when it is interrupted, the workflow would call it again at once.
 */
export async function holdIfPaused<T extends { status: string }>(run: Promise<T>): Promise<T> {
  const result = await run;
  if (result.status !== 'done' && cancellationDetails()?.paused) await cancelled();
  return result;
}
