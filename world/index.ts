/** The preference world: pairs with known truth, an expert that reads their text, and the base model's warm-up. */
export { generateWorld } from './generate.js';
export { flawedTrace, solve } from './solve.js';
export { WORLD_TOKEN_PATTERN } from './text.js';
export { worldVocabulary } from './vocabulary.js';
export { WHAT_THE_BASE_WAS_TAUGHT, warmUpDocuments } from './warm-up.js';
