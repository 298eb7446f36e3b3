/** How a pair is shown to the student: the recipe's prompt version, rendered by the tokenizer's chat template. */
import { TextTokenizer } from '../../engine/tokenizer/tokenizer.js';
import { renderPrompt } from '../../engine/tokenizer/chat.js';
import type { PresentedPair } from '../../judge/pair.js';
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

  tokens(text: string): number {
    return this.tokenizer.encode(text).length;
  }
}
