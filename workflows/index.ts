/** Every exported function is registered as a workflow type; export nothing else here. */
export { trainRewardModel } from './train-reward-model.js';
export { distill } from './distill.js';
export { oracleBatch } from './oracle-batch.js';
export { sft } from './sft.js';
export { grpo } from './grpo.js';
export { reward } from './reward.js';
export { evaluate } from './evaluate.js';
export { retrain } from './retrain.js';
