/** The OpenAI form of a chat answer, whole or as server-sent events. */
import type { ChatAnswer } from '../activities/evaluation/judges/judge.js';

const common = (id: string, model: string) => ({ id, created: Math.floor(Date.now() / 1000), model });

function usageOf({ inputTokens, outputTokens }: ChatAnswer) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
}

export function completionBody(id: string, model: string, answer: ChatAnswer): string {
  return JSON.stringify({
    ...common(id, model),
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: answer.text, refusal: null },
        logprobs: null,
        finish_reason: answer.finishReason,
      },
    ],
    usage: usageOf(answer),
  });
}

/** The whole text in one event: batches are decoded to their end before anything is known. */
export function completionEvents(id: string, model: string, answer: ChatAnswer): string {
  const chunk = (delta: object, finish: string | null) => ({
    ...common(id, model),
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  });
  const events = [
    chunk({ role: 'assistant', content: answer.text }, null),
    chunk({}, answer.finishReason),
    { ...common(id, model), object: 'chat.completion.chunk', choices: [], usage: usageOf(answer) },
  ];
  return [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), 'data: [DONE]\n\n'].join('');
}

export function modelsBody(model: string): string {
  return JSON.stringify({
    object: 'list',
    data: [{ id: model, object: 'model', created: 0, owned_by: 'rmr1' }],
  });
}
