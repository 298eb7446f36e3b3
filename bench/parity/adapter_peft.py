"""Reads {"base", "adapter", "merged", "ids"} as JSON on standard input; writes log-probabilities of the ids.

Once from the base with the adapter loaded by PEFT, once from the merged directory loaded by transformers.
"""

import json
import sys

import peft
import torch
from transformers import AutoModelForCausalLM

request = json.load(sys.stdin)
ids = torch.tensor([request["ids"]])


def logps(model):
    with torch.no_grad():
        logits = model.eval()(ids).logits[0, :-1].double()
    return torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None])[:, 0].tolist()


def load(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")


adapted = peft.PeftModel.from_pretrained(load(request["base"]), request["adapter"])
result = {"adapted": logps(adapted), "merged": logps(load(request["merged"])), "versions": {"peft": peft.__version__}}
json.dump(result, sys.stdout)
