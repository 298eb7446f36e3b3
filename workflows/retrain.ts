import {
  ApplicationFailure,
  ChildWorkflowCancellationType,
  condition,
  executeChild,
  ParentClosePolicy,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { JudgedCandidate, StandingChampion } from '../activities/registry/interface.js';
import type { JudgeComparison } from '../activities/registry/judge-comparison.js';
import type { WatchedPairs } from '../activities/registry/new-pairs.js';
import type { PromotionResult } from '../activities/registry/champion.js';
import { io } from './activities.js';
import type { TrainRewardModelInput } from './inputs.js';
import { judgeAll } from './judge-all.js';
import * as messages from './messages.js';
import { parseInput } from './parse-input.js';
import {
  retrainInputSchema,
  retrainQuery,
  type ResolvedRetrainInput,
  type RetrainInput,
  type RetrainReport,
} from './retrain-messages.js';
import { surfaced } from './root-cause.js';
import { nameOfWatched } from './watched-hub.js';

/** A candidate that loses the race for the alias is compared with the new champion; this often at most. */
const MOST_COMPARISONS = 5;

/**
 * Retrain when there is enough new data, compare the result with the champion on the same items, and promote it only
 * where it is better beyond chance (exact sign test over pairs) or a person approves. Meant to be run by a schedule.
 */
export async function retrain(input?: RetrainInput): Promise<RetrainReport> {
  const settings = parseInput(retrainInputSchema, input);
  const run = new Retraining(settings);
  try {
    return await run.work();
  } catch (error) {
    run.show({ state: 'failed', reason: surfaced(error).message });
    throw error;
  }
}

class Retraining {
  private report: RetrainReport;
  private verdict: 'approved' | 'rejected' | undefined;

  constructor(private readonly settings: ResolvedRetrainInput) {
    const { workflowId } = workflowInfo();
    this.report = { workflowId, alias: settings.alias, state: 'looking', reason: 'Looking for new pairs.' };
    setHandler(retrainQuery, () => this.report);
    const waiting = () => {
      if (this.report.state === 'awaiting-approval') return;
      throw ApplicationFailure.nonRetryable('Nothing waits for approval.', 'InvalidInput');
    };
    const decide = (verdict: 'approved' | 'rejected'): messages.RunState => {
      this.verdict = verdict;
      return 'running';
    };
    setHandler(messages.approveUpdate, (_options) => decide('approved'), {
      validator: (_options) => waiting(),
    });
    setHandler(messages.rejectUpdate, (_options) => decide('rejected'), {
      validator: (_options) => waiting(),
    });
    this.show({});
  }

  async work(): Promise<RetrainReport> {
    const { alias, watch, minNewPairs } = this.settings;
    const champion = await io().readChampion({ alias });
    const seen = champion.candidate?.trainedOn?.files ?? {};
    const found = watch === undefined ? undefined : await newPairs(watch, seen);
    if (found) this.show({ newPairs: found.newPairs });
    if (found && (!found.data || found.newPairs < minNewPairs)) {
      return this.end('kept', `${found.newPairs} new pairs ${placeOf(watch!)}; ${minNewPairs} are needed.`);
    }
    const result = await this.train(champion, found?.data);
    if (result.state !== 'completed') return this.end('kept', `The training run was ${result.state}.`);
    const judged = await io().describeCandidate({
      run: result,
      ...(found ? { trainedOn: { pairs: found.pairs, files: found.files } } : {}),
    });
    return this.decide(judged, champion);
  }

  private train(
    champion: StandingChampion,
    data: TrainRewardModelInput['data'],
  ): Promise<messages.RunResult> {
    const {
      watch: _w,
      minNewPairs: _m,
      alias: _a,
      from,
      promote: _p,
      significance: _s,
      ...run
    } = this.settings;
    const trainingRun = `${workflowInfo().workflowId}/train`;
    this.show({ state: 'training', reason: 'Training a candidate.', trainingRun });
    const input: TrainRewardModelInput = {
      ...run,
      ...(data === undefined ? {} : { data }),
      ...(from === 'champion' && champion.candidate ? { model: champion.candidate.model } : {}),
    };
    return executeChild<(input: TrainRewardModelInput) => Promise<messages.RunResult>>('trainRewardModel', {
      workflowId: trainingRun,
      args: [input],
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    });
  }

  /** Compare and promote; again with the new champion where another run was promoted meanwhile. */
  private async decide(judged: JudgedCandidate, first: StandingChampion): Promise<RetrainReport> {
    const { alias } = this.settings;
    let champion = first;
    for (let round = 1; round <= MOST_COMPARISONS; round++) {
      const reason = await this.reasonToPromote(judged, champion);
      if (reason === undefined) return this.report;
      const promotion: PromotionResult = await io().promoteCandidate({
        alias,
        candidate: judged.candidate,
        move: { by: this.settings.startedBy, reason },
        expectedVersion: champion.version,
      });
      if (promotion.status === 'promoted' || promotion.status === 'stands')
        return this.end('promoted', reason, promotion.version);
      if (promotion.status === 'superseded')
        return this.end('promoted', `${reason} It has been replaced since.`, promotion.version);
      champion = await io().readChampion({ alias });
    }
    return this.end('kept', `The champion changed ${MOST_COMPARISONS} times during the comparison.`);
  }

  /** Why the candidate is promoted; undefined where the champion stays, which the report then explains. */
  private async reasonToPromote(
    { candidate, pairs, verdicts }: JudgedCandidate,
    champion: StandingChampion,
  ): Promise<string | undefined> {
    if (!champion.candidate || !champion.recipe) return this.ask('It is the first candidate.', undefined);
    if (champion.candidate.model.sha256 === candidate.model.sha256)
      return this.stay('The candidate is the champion, to the bit.');
    this.show({ state: 'comparing', reason: 'Judging the same items with the champion.' });
    const judgedByChampion = await judgeAll({
      context: {
        runId: workflowInfo().workflowId,
        startedBy: this.settings.startedBy,
        notify: [],
      },
      judge: 'grpo',
      model: champion.candidate.model,
      pairs,
      recipe: champion.recipe,
    });
    const comparison = await io().compareJudges({ champion: judgedByChampion, candidate: [verdicts] });
    this.show({ comparison });
    const better = comparison.difference > 0 && comparison.pValue < this.settings.significance;
    return this.ask(describe(comparison), better);
  }

  /** @param better undefined: there was nothing to compare with. */
  private async ask(finding: string, better: boolean | undefined): Promise<string | undefined> {
    const { promote } = this.settings;
    if (promote === 'never') return this.stay(`${finding} Promotion is switched off.`);
    if (better !== false && (promote === 'significant' || better)) return finding;
    if (promote === 'significant') return this.stay(finding);
    this.verdict = undefined;
    this.show({ state: 'awaiting-approval', reason: finding });
    await condition(() => this.verdict !== undefined);
    if (this.answer() === 'approved') return `${finding} Approved.`;
    return this.stay(`${finding} Rejected.`);
  }

  /** Read through a method: the compiler cannot know that a handler set the field while `condition` waited. */
  private answer(): 'approved' | 'rejected' | undefined {
    return this.verdict;
  }

  private stay(reason: string): undefined {
    this.end('kept', reason);
    return undefined;
  }

  private end(state: 'promoted' | 'kept', reason: string, version?: number): RetrainReport {
    this.show({ state, reason, ...(version === undefined ? {} : { version }) });
    return this.report;
  }

  show(change: Partial<RetrainReport>): void {
    this.report = { ...this.report, ...change };
    const { alias, state, reason, newPairs, trainingRun, comparison } = this.report;
    const lines = [`**${alias}** · ${state}`, '', reason];
    if (newPairs !== undefined) lines.push('', `New pairs: ${newPairs}`);
    if (trainingRun) lines.push('', `Training run: \`${trainingRun}\``);
    if (comparison) lines.push('', describe(comparison));
    if (state === 'awaiting-approval') lines.push('', 'Send the update `approve` or `reject`.');
    setCurrentDetails(lines.join('\n'));
    if (change.state) upsertSearchAttributes({ RunState: [shownAs(state)] });
  }
}

type Watched = NonNullable<ResolvedRetrainInput['watch']>;

function newPairs(watch: Watched, seen: Record<string, string>): Promise<WatchedPairs> {
  return typeof watch === 'string'
    ? io().findNewPairs({ prefix: watch, seen })
    : io().findNewHubPairs({ watched: watch, seen });
}

function placeOf(watch: Watched): string {
  return typeof watch === 'string' ? `below ${watch}` : `in ${nameOfWatched(watch)}`;
}

/** In the run states that lists are filtered by. */
function shownAs(state: RetrainReport['state']): messages.RunState {
  if (state === 'promoted' || state === 'kept') return 'completed';
  return state === 'awaiting-approval' || state === 'failed' ? state : 'running';
}

function describe({ items, champion, candidate, fixed, broken, pValue, low, high }: JudgeComparison): string {
  const percent = (share: number) => (share * 100).toFixed(1);
  return (
    `Candidate ${percent(candidate)} %, champion ${percent(champion)} % on the same ${items} judgements ` +
    `(${percent(low)} to ${percent(high)} points, ${fixed} fixed, ${broken} broken, p = ${pValue.toFixed(3)}).`
  );
}
