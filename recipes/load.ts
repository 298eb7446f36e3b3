/** Recipes from `recipes/*.yaml`, with overrides, checked as a whole. Not for workflows: it reads files. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from '../infra/environment.js';
import { UserError } from '../workflows/errors.js';
import { describeIssues } from './describe-issues.js';
import { type Recipe, recipeSchema } from './schema.js';

/** Names of the recipes that come with the project. */
export function recipeNames(): string[] {
  return readdirSync(join(projectRoot(), 'recipes'))
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();
}

/**
 * The recipe called `name` with `overrides` by dotted path, for example `{'grpo.steps': 20}`.
 * @throws UserError `InvalidInput` naming every unknown or wrong field.
 */
export function loadRecipe(name: string, overrides: Record<string, unknown> = {}): Recipe {
  const known = recipeNames();
  if (!known.includes(name)) {
    throw new UserError('InvalidInput', `Unknown recipe '${name}'. Known recipes: ${known.join(', ')}.`);
  }
  const document = parse(readFileSync(join(projectRoot(), 'recipes', `${name}.yaml`), 'utf8')) as Record<
    string,
    unknown
  >;
  for (const [path, value] of Object.entries(overrides)) setPath(document, path, value);
  const parsed = recipeSchema.safeParse(document);
  if (!parsed.success) {
    throw new UserError('InvalidInput', `Recipe '${name}' is not valid: ${describeIssues(parsed.error)}`);
  }
  return parsed.data;
}

/** Set a nested field; an unknown one is caught by the schema afterwards. */
function setPath(document: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop()!;
  let node = document;
  for (const key of keys) {
    const next = node[key] ?? {};
    if (typeof next !== 'object' || Array.isArray(next)) {
      throw new UserError('InvalidInput', `Override '${path}': '${key}' is not a section of the recipe.`);
    }
    node = node[key] = next as Record<string, unknown>;
  }
  if (['__proto__', 'constructor', 'prototype'].some((key) => keys.includes(key) || last === key)) {
    throw new UserError('InvalidInput', `Override '${path}' is not a field of the recipe.`);
  }
  node[last] = value;
}
