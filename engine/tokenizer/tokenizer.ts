/** Text to token ids and back, by any `tokenizer.json` that `@huggingface/tokenizers` reads. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { badData, reading } from '../errors.js';

/** The part of the library used here; its own declarations do not resolve under Node's module rules. */
interface Library {
  /** Ids of words that are neither known nor mapped to an unknown token are undefined. */
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] };
  decode(ids: number[], options: { clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  get_vocab(): Map<string, number>;
}
const LibraryTokenizer = Tokenizer as unknown as new (json: object, config: object) => Library;

const tokenContent = z.union([
  z.string(),
  z.looseObject({ content: z.string() }).transform((token) => token.content),
]);

/** The fields of `tokenizer_config.json` the engine uses; all others are kept. */
export const tokenizerConfigSchema = z.looseObject({
  bos_token: tokenContent.nullish(),
  eos_token: tokenContent.nullish(),
  pad_token: tokenContent.nullish(),
  unk_token: tokenContent.nullish(),
  clean_up_tokenization_spaces: z.boolean().nullish(),
  chat_template: z.unknown().optional(),
});
export type TokenizerConfig = z.infer<typeof tokenizerConfigSchema>;

const tokenizerJsonSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int().nonnegative(), content: z.string() })).default([]),
  normalizer: z.looseObject({}).nullable().default(null),
  pre_tokenizer: z.looseObject({}).nullable().default(null),
  post_processor: z.looseObject({}).nullable().default(null),
  decoder: z.looseObject({}).nullable().default(null),
  model: z.looseObject({ type: z.string().optional(), unk_token: z.string().nullish(), vocab: z.unknown() }),
});

/** The files that belong to a tokenizer in a model directory; the last ones are optional. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
] as const;

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badData(`${path} is not JSON`, error);
  }
}

/**
 * `Digits` of the reference splits off every character of the Unicode category N, such as ½ and ²; the library's own
 * only ASCII digits. A `Split` by that category is the same in both.
 */
function unicodeDigits(part: Part | null): Part | null {
  if (part === null) return null;
  if (part['type'] === 'Sequence' && Array.isArray(part['pretokenizers']))
    return { ...part, pretokenizers: (part['pretokenizers'] as Part[]).map(unicodeDigits) };
  if (part['type'] !== 'Digits') return part;
  const Regex = part['individual_digits'] === true ? '\\p{N}' : '\\p{N}+';
  return { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };
}
type Part = Record<string, unknown>;

/** An encoder and decoder. Special tokens written in a text are recognised; none are added. */
export class TextTokenizer {
  private constructor(
    private readonly library: Library,
    readonly config: TokenizerConfig,
    /** Ids are below this number. */
    readonly vocabSize: number,
    private readonly specialIds: ReadonlySet<number>,
    /** Id of the end-of-text token, `eos_token` of the configuration. */
    readonly endOfText: number,
    /** Id that fills short rows; it never counts. */
    readonly padding: number,
    readonly beginOfText: number | undefined,
  ) {}

  /** Load `tokenizer.json` and `tokenizer_config.json` from a directory. @throws EngineError (bad data) */
  static load(dir: string): TextTokenizer {
    const read = (name: string) =>
      reading(`the tokenizer file ${name}`, join(dir, name), () => readFileSync(join(dir, name), 'utf8'));
    const own = TextTokenizer.parse(read('tokenizer.json'), read('tokenizer_config.json'), dir);
    // Newer writers keep the chat template in a file of its own.
    const template = join(dir, 'chat_template.jinja');
    if (own.config.chat_template === undefined && existsSync(template))
      own.config.chat_template = readFileSync(template, 'utf8');
    return own;
  }

  /** Build from the texts of the two files; `where` names their origin in errors. */
  static parse(tokenizerJson: string, tokenizerConfig: string, where = 'the tokenizer'): TextTokenizer {
    const json = tokenizerJsonSchema.safeParse(parseJson(tokenizerJson, `${where}/tokenizer.json`));
    if (!json.success)
      throw badData(`${where}/tokenizer.json: ${json.error.issues[0]?.path.join('.')} is malformed`);
    const config = tokenizerConfigSchema.safeParse(
      parseJson(tokenizerConfig, `${where}/tokenizer_config.json`),
    );
    if (!config.success)
      throw badData(`${where}/tokenizer_config.json: ${config.error.issues[0]?.path.join('.')} is malformed`);
    const settings = config.data;
    let library: Library;
    try {
      // The library takes the unknown token of a word-level model from the configuration only.
      const unknown = settings.unk_token ?? json.data.model.unk_token ?? undefined;
      library = new LibraryTokenizer(
        { ...json.data, pre_tokenizer: unicodeDigits(json.data.pre_tokenizer) },
        {
          ...settings,
          ...(unknown === undefined ? {} : { unk_token: unknown }),
        },
      );
    } catch (error) {
      throw badData(`${where}/tokenizer.json cannot be used: ${(error as Error).message}`, error);
    }
    const idOf = (token: string | null | undefined) =>
      token == null ? undefined : library.token_to_id(token);
    const endOfText = idOf(settings.eos_token);
    if (endOfText === undefined)
      throw badData(`${where}/tokenizer_config.json: eos_token is missing or not in the vocabulary`);
    let largest = 0;
    for (const id of library.get_vocab().values()) largest = Math.max(largest, id);
    const special = json.data.added_tokens
      .filter((token) => token['special'] === true)
      .map((token) => token.id);
    return new TextTokenizer(
      library,
      settings,
      largest + 1,
      new Set([...special, endOfText]),
      endOfText,
      idOf(settings.pad_token) ?? endOfText,
      idOf(settings.bos_token),
    );
  }

  /** Token ids of a text. No begin- or end-of-text is added. */
  encode(text: string): number[] {
    const { ids } = this.library.encode(text, { add_special_tokens: false });
    return ids.map((id, index) => {
      if (id === undefined)
        throw badData(`the tokenizer has no token for part ${index + 1} of "${text.slice(0, 60)}"`);
      return id;
    });
  }

  /** Text of token ids; special tokens (end-of-text, padding, …) are left out unless `keepSpecial`. */
  decode(ids: ArrayLike<number>, { keepSpecial = false } = {}): string {
    const kept = Array.from(ids).filter((id) => keepSpecial || !this.specialIds.has(id));
    if (kept.length === 0) return '';
    return this.library.decode(kept, {
      clean_up_tokenization_spaces: this.config.clean_up_tokenization_spaces ?? false,
    });
  }

  /** Id of a token as it is written in the vocabulary. */
  tokenId(token: string): number | undefined {
    return this.library.token_to_id(token);
  }
}
