/** The preference world: pairs with known truth, an expert that reads their text, and the base model's warm-up. */
export { generateWorld } from './generate.js';
export type { World, WorldOptions } from './generate.js';
export { TEST_MIX, TRAIN_MIX, rlMix } from './mix.js';
export type { Mix } from './mix.js';
export { flawedTrace, solve } from './solve.js';
export type { Judgement } from './solve.js';
export { WORLD_TOKEN_PATTERN, worldTokens } from './text.js';
export { worldVocabulary } from './vocabulary.js';
export { WHAT_THE_BASE_WAS_TAUGHT, warmUpDocuments } from './warm-up.js';
export type { WarmUpDocument } from './warm-up.js';
