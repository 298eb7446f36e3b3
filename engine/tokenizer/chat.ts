/** Chat rendering by the Jinja template that comes with a tokenizer. */
import { Template } from '@huggingface/jinja';
import { badData } from '../errors.js';
import type { TokenizerConfig } from './tokenizer.js';

/** A message as chat templates see it. */
export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** The template a tokenizer configuration names: a string, or the entry `default` of a list of named templates. */
function templateOf(config: TokenizerConfig): string {
  const given = config.chat_template;
  if (typeof given === 'string') return given;
  if (Array.isArray(given))
    for (const entry of given as { name?: unknown; template?: unknown }[])
      if (entry?.name === 'default' && typeof entry.template === 'string') return entry.template;
  throw badData(
    'tokenizer_config.json has no chat_template: add one, or give prompts that are already rendered',
  );
}

const compiled = new Map<string, Template>();

/**
 * Render a conversation up to the point where the assistant's next turn begins.
 * @throws EngineError (bad data) when there is no template or it refuses the messages.
 */
export function renderPrompt(config: TokenizerConfig, messages: readonly ChatMessage[]): string {
  const source = templateOf(config);
  try {
    let template = compiled.get(source);
    if (template === undefined) compiled.set(source, (template = new Template(source)));
    return template.render({
      messages: messages.map(({ role, content }) => ({ role, content })),
      add_generation_prompt: true,
      bos_token: config.bos_token ?? '',
      eos_token: config.eos_token ?? '',
      unk_token: config.unk_token ?? '',
      pad_token: config.pad_token ?? '',
    });
  } catch (error) {
    throw badData(`the chat template cannot render this conversation: ${(error as Error).message}`, error);
  }
}
