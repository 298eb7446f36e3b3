"""Greedy generation with transformers' `generate`, float32, SDPA attention, see `contender.ts`."""

import json
import sys
import time

import torch
import transformers
from transformers import AutoModelForCausalLM


def say(message):
    print(json.dumps(message), flush=True)


def main():
    request = json.loads(sys.stdin.readline())
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(request["threads"])
    model = AutoModelForCausalLM.from_pretrained(request["model"], dtype=torch.float32, attn_implementation="sdpa")
    model.eval()
    prompts = torch.tensor(request["prompts"])
    settings = dict(
        attention_mask=torch.ones_like(prompts),
        do_sample=False,
        max_new_tokens=request["newTokens"],
        # No end of text, so that every completion has its full length.
        eos_token_id=None,
        pad_token_id=0,
    )
    versions = dict(torch=torch.__version__, transformers=transformers.__version__)
    say(dict(versions=versions, parameters=sum(p.numel() for p in model.parameters())))
    for line in sys.stdin:
        start = time.perf_counter()
        with torch.inference_mode():
            for _ in range(json.loads(line)["work"]):
                out = model.generate(prompts, **settings)
        tokens = out[0, prompts.shape[1] :].tolist()
        say(dict(seconds=time.perf_counter() - start, tokens=tokens))


main()
