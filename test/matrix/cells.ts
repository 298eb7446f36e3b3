/** The kill matrix as data: every stage × moment × victim, with the crash point that is the moment in that stage. */
import type { CrashPlan } from '../../engine/crash-point.js';

export const STAGES = ['distill', 'sft', 'grpo', 'evaluate'] as const;
export type MatrixStage = (typeof STAGES)[number];

export const MOMENTS = [
  'before the first step',
  'before the first checkpoint',
  'while a checkpoint uploads',
  'after the upload, before its manifest',
  'after the manifest, before the heartbeat',
  'after the heartbeat, before the return',
  'during an oracle submit',
  'between stages',
] as const;
export type Moment = (typeof MOMENTS)[number];

export const VICTIMS = ['trainer', 'worker', 'zombie', 'temporal', 's3', 'network'] as const;
export type Victim = (typeof VICTIMS)[number];

export interface Cell {
  id: string;
  stage: MatrixStage;
  moment: Moment;
  victim: Victim;
  /** Where the fault strikes; absent where the cell does not exist. */
  point?: Where;
  /** Why the cell does not exist. */
  absent?: string;
}

type Where = Pick<CrashPlan, 'point' | 'after' | 'nth'> & {
  /** Whether a trainer runs at that moment. */
  trainer: boolean;
};

const first = (point: string, trainer: boolean): Where => ({ point, nth: 1, trainer });

const MANIFEST = 'checkpoints/.*/manifest\\.json$';
const FIRST_STORED = `^put\\.after:${MANIFEST}`;

/** Training: checkpoints are the durable unit. Uploads are struck at the second one, so that there is one to go back to. */
const TRAINING: Record<Exclude<Moment, 'between stages'>, Where | string> = {
  'before the first step': first('^engine\\.before-first-step$', true),
  'before the first checkpoint': first('^engine\\.before-checkpoint$', true),
  'while a checkpoint uploads': {
    point: '^put\\.after:checkpoints/.*/step-.*(?<!manifest\\.json)$',
    after: FIRST_STORED,
    nth: 1,
    trainer: true,
  },
  'after the upload, before its manifest': {
    point: `^put\\.before:${MANIFEST}`,
    after: FIRST_STORED,
    nth: 1,
    trainer: true,
  },
  'after the manifest, before the heartbeat': {
    point: `^put\\.after:${MANIFEST}`,
    after: FIRST_STORED,
    nth: 1,
    trainer: true,
  },
  // The base's activity returns as well, at once: only one that stored checkpoints is meant.
  'after the heartbeat, before the return': {
    point: '^activity\\.trainModel\\.return$',
    after: FIRST_STORED,
    nth: 1,
    trainer: false,
  },
  'during an oracle submit': 'the stage asks no oracle',
};

/** What each moment is in each stage: a point, or the reason why there is none. */
const POINTS: Record<MatrixStage, Record<Moment, Where | string>> = {
  // The durable unit is the answer; the manifest is the stage's.
  distill: {
    'before the first step': first('^activity\\.judgeWithOracle\\.start$', false),
    'before the first checkpoint': first('^put\\.before:oracle-', false),
    'while a checkpoint uploads': { point: '^put\\.before:oracle-', nth: 3, trainer: false },
    'after the upload, before its manifest': first('^put\\.before:manifests/distill/', false),
    'after the manifest, before the heartbeat': first('^put\\.after:manifests/distill/', false),
    'after the heartbeat, before the return': {
      point: '^activity\\.judgeWithOracle\\.return$',
      nth: 2,
      trainer: false,
    },
    'during an oracle submit': { point: '^oracle\\.submit$', nth: 6, trainer: false },
    'between stages': first('^activity\\.findDistillation\\.start$', false),
  },
  sft: { ...TRAINING, 'between stages': first('^activity\\.buildSftSet\\.start$', false) },
  grpo: { ...TRAINING, 'between stages': first('^activity\\.buildRlPrompts\\.start$', false) },
  // The durable unit is the shard of verdicts; the manifest is the stage's.
  evaluate: {
    'before the first step': first('^engine\\.before-first-step$', true),
    'before the first checkpoint': {
      point: '^put\\.before:objects/',
      after: '^activity\\.judgeShard\\.start$',
      nth: 1,
      trainer: false,
    },
    'while a checkpoint uploads': {
      point: '^put\\.before:objects/',
      after: '^activity\\.judgeShard\\.return$',
      nth: 1,
      trainer: false,
    },
    'after the upload, before its manifest': first('^put\\.before:manifests/evaluate/', false),
    'after the manifest, before the heartbeat': first('^put\\.after:manifests/evaluate/', false),
    'after the heartbeat, before the return': first('^activity\\.judgeShard\\.return$', false),
    'during an oracle submit': 'the stage asks no oracle',
    'between stages': first('^activity\\.findEvaluation\\.start$', false),
  },
};

/** All 192 cells, existing or not, in a fixed order. */
export function allCells(): Cell[] {
  return STAGES.flatMap((stage) =>
    MOMENTS.flatMap((moment) =>
      VICTIMS.map((victim): Cell => {
        const id = `${stage}/${moment}/${victim}`;
        const where = POINTS[stage][moment];
        if (typeof where === 'string') return { id, stage, moment, victim, absent: where };
        if (victim === 'trainer' && !where.trainer)
          return { id, stage, moment, victim, absent: 'no trainer runs at this moment' };
        return { id, stage, moment, victim, point: where };
      }),
    ),
  );
}
