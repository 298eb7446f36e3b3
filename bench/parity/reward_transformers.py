"""Reads {"base", "model", "adapter", "sequences"} as JSON on standard input; writes a reward model's scores of the sequences.

`model` alone: a directory of a sequence classifier, loaded by transformers. With `base` and `adapter`: a classifier with a
fresh head on the language model `base`, adapter and head loaded by PEFT. Sequences go through together, padded on the right.
"""

import json
import sys

import peft
import torch
import transformers
from transformers import AutoModelForSequenceClassification

request = json.load(sys.stdin)
torch.manual_seed(0)


def load(directory, **options):
    return AutoModelForSequenceClassification.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", **options
    )


def scores(model):
    pad = model.config.pad_token_id
    longest = max(len(ids) for ids in request["sequences"])
    ids = torch.tensor([ids + [pad] * (longest - len(ids)) for ids in request["sequences"]])
    with torch.no_grad():
        return model.eval()(ids, attention_mask=(ids != pad).long()).logits[:, 0].tolist()


result = {"versions": {"transformers": transformers.__version__, "peft": peft.__version__}}
result["model"] = scores(load(request["model"]))
if request["adapter"]:
    result["adapter"] = scores(peft.PeftModel.from_pretrained(load(request["base"], num_labels=1), request["adapter"]))
json.dump(result, sys.stdout)
