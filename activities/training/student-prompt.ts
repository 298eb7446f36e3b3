/** How a pair is shown to the student: the recipe's prompt version, rendered by the tokenizer's chat template. */
import { TextTokenizer } from '../../engine/tokenizer/tokenizer.js';
import { renderPrompt } from '../../engine/tokenizer/chat.js';
import type { Message, PresentedPair } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';
import type { Recipe } from '../../recipes/schema.js';

/** Renders and measures prompts with one tokenizer. */
export class StudentPrompts {
  private readonly tokenizer: TextTokenizer;

  /** @param dir a directory with `tokenizer.json` and `tokenizer_config.json`, such as a model's. */
  constructor(
    dir: string,
    private readonly version: Recipe['promptVersion'],
  ) {
    this.tokenizer = TextTokenizer.load(dir);
  }

  render(shown: PresentedPair): string {
    return renderPrompt(this.tokenizer.config, buildPrompt(this.version, shown));
  }

  /** A conversation as it is, up to where its answer begins. */
  conversation(messages: readonly Message[]): string {
    return renderPrompt(this.tokenizer.config, messages);
  }

  tokens(text: string): number {
    return this.tokenizer.encode(text).length;
  }
}
