/** Versions are never changed once released: their names are part of cache keys and stage keys. */
export const PROMPT_VERSIONS = ['cor-v1', 'plain-v1', 'compact-v1'] as const;
export type PromptVersion = (typeof PROMPT_VERSIONS)[number];
