"""The project's reward, called by verl's reward manager."""

import asyncio
import json
from pathlib import Path

import numpy
import torch
from omegaconf import OmegaConf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from verl import DataProto
from verl.trainer.ppo.reward import load_reward_manager

from rmr1_ray.verl_config import Layout, compose, verl_settings

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden" / "rewards.jsonl"


def byte_tokenizer():
    """One token for each byte: every text comes back as it was."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>", clean_up_tokenization_spaces=False)


def test_thousands_of_texts_get_the_reward_that_they_have_everywhere(paper_specs):
    config = compose(verl_settings(paper_specs["rm-r1-qwen2.5-7b-instruct"], Layout(Path("/tmp/rmr1-verl-x-1"))))
    OmegaConf.resolve(config.reward)
    tokenizer = byte_tokenizer()
    vectors = [json.loads(line) for line in GOLDEN.read_text("utf-8").split("\n") if line]
    assert len(vectors) == 3000

    async def rewards():
        manager = load_reward_manager(config, tokenizer)
        found = []
        for text, *_ in vectors:
            ids = tokenizer(text + "<end>", add_special_tokens=False)["input_ids"] + [tokenizer.pad_token_id] * 3
            for gold in "AB":
                mask = [1] * (len(ids) - 3) + [0] * 3
                batch = DataProto.from_dict(
                    tensors={"responses": torch.tensor([ids]), "attention_mask": torch.tensor([mask])},
                    non_tensors={
                        "data_source": numpy.array(["rmr1"], dtype=object),
                        "reward_model": numpy.array([{"style": "rule", "ground_truth": gold}], dtype=object),
                        "extra_info": numpy.array([{"index": 0, "id": "x"}], dtype=object),
                    },
                )
                found.append((await manager.run_single(batch))["reward_score"])
        return found

    found = asyncio.run(rewards())
    assert found == [float(reward) for _, *both in vectors for reward in both]
