import type { OptimizerSettings } from '../job.js';

/**
 * Learning rate of one update.
 * @param settings peak rate, warm-up and the shape after it
 * @param step 0-based index of the update
 * @param totalSteps updates of the whole run; decays end there
 */
export function learningRate(settings: OptimizerSettings, step: number, totalSteps: number): number {
  const { learningRate: peak, warmupSteps, finalShare, flatShare, schedule } = settings;
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const decayed = (from: number, shape: (progress: number) => number): number => {
    const progress = Math.min(1, Math.max(0, (step - from) / Math.max(1, totalSteps - from)));
    return peak * (finalShare + (1 - finalShare) * shape(progress));
  };
  switch (schedule) {
    case 'constant':
      return peak;
    case 'linear':
      return decayed(warmupSteps, (progress) => 1 - progress);
    case 'cosine':
      return decayed(warmupSteps, (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)));
    case 'flat-linear':
      return decayed(Math.max(warmupSteps, flatShare * totalSteps), (progress) => 1 - progress);
  }
}
