"""Two steps of TRL's GRPOTrainer on a tiny random model, rewarded by a running judge. `npm run test:trl` starts it.

Nothing is downloaded: model and tokenizer are made here. It proves that the trainer accepts the reward function and that
the rewards it logs are those of the judge (one that prefers the longer answer: scores of a group without equal answers
average one half).
"""

import os
import sys
import tempfile

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

from rmr1_reward import JudgeClient, trl_reward

STEPS = 2
GROUP = 4


def tiny_model():
    words = ["<pad>", "<end>", "<unk>"] + [f"w{i}" for i in range(29)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>", unk_token="<unk>", padding_side="left"
    )
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    return LlamaForCausalLM(config), fast


def main() -> int:
    model, tokenizer = tiny_model()
    judged = []
    client = JudgeClient(os.environ["RMR1_JUDGE_URL"], orders="one")
    inner = trl_reward(client)

    def reward(prompts, completions, **columns):
        scores = inner(prompts=prompts, completions=completions, **columns)
        judged.append((list(prompts), list(completions), scores))
        return scores

    with tempfile.TemporaryDirectory() as out:
        trainer = GRPOTrainer(
            model=model,
            processing_class=tokenizer,
            reward_funcs=reward,
            train_dataset=Dataset.from_dict({"prompt": [f"w{i} w{i + 1}" for i in range(8)]}),
            args=GRPOConfig(
                output_dir=out,
                max_steps=STEPS,
                per_device_train_batch_size=2 * GROUP,
                num_generations=GROUP,
                max_completion_length=8,
                learning_rate=1e-3,
                logging_steps=1,
                report_to=[],
                use_cpu=True,
                save_strategy="no",
            ),
        )
        trainer.train()
        logged = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
    assert len(judged) == STEPS, f"the reward function was called {len(judged)} times in {STEPS} steps"
    for (prompts, completions, scores), mean in zip(judged, logged):
        assert len(scores) == len(completions) == 2 * GROUP, len(scores)
        assert abs(sum(scores) / len(scores) - mean) < 1e-5, (scores, mean)
        for first in range(len(scores)):
            for second in range(len(scores)):
                if prompts[first] == prompts[second] and len(completions[first]) > len(completions[second]):
                    assert scores[first] > scores[second], (completions[first], completions[second])
    print(f"OK: {STEPS} steps, rewards {[[round(s, 3) for s in scores] for _, _, scores in judged]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
