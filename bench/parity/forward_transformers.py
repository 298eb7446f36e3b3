"""Reads {"dir", "texts", "conversations"} as JSON on standard input; writes what transformers makes of them.

For every text its token ids and the log-probability of every token after the first; for every conversation the
rendered prompt. float32 on the CPU, eager attention.
"""

import json
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

request = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(request["dir"])
model = AutoModelForCausalLM.from_pretrained(request["dir"], dtype=torch.float32, attn_implementation="eager").eval()
torch.set_num_threads(2)

items = []
for text in request["texts"]:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    logps = []
    if 2 <= len(ids) <= 512:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, :-1].double()
        logps = torch.log_softmax(logits, -1).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()
    items.append({"ids": ids, "logps": logps})
prompts = [
    tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    for messages in request["conversations"]
]
versions = {"torch": torch.__version__, "transformers": transformers.__version__}
json.dump({"items": items, "prompts": prompts, "versions": versions}, sys.stdout)
