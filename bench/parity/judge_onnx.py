"""Reads {"file", "prompts", "end", "maxNewTokens"} as JSON on standard input; writes greedy judgements of an exported judge.

Nothing but numpy and onnxruntime: what a program needs that runs the model on its own. Every prompt goes in at once, then
one token at a time beside the cache. For each prompt the tokens and the log-probability of each.
"""

import json
import sys

import numpy as np
import onnxruntime


def greedy(session, prompt, end, most):
    cache = {
        i.name: np.zeros([1, i.shape[1], 0, i.shape[3]], np.float32)
        for i in session.get_inputs()
        if i.name.startswith("past_key_values.")
    }
    new, seen, written, logps = list(prompt), 0, [], []
    names = [output.name for output in session.get_outputs()]
    while len(written) < most and (not written or written[-1] != end):
        feeds = {
            "input_ids": np.array([new], np.int64),
            "position_ids": np.arange(seen, seen + len(new), dtype=np.int64)[None],
            "attention_mask": np.ones([1, seen + len(new)], np.int64),
        }
        outputs = dict(zip(names, session.run(None, feeds | cache)))
        seen += len(new)
        last = outputs["logits"][0, -1].astype(np.float64)
        token = int(last.argmax())
        logps.append(float(last[token] - last.max() - np.log(np.exp(last - last.max()).sum())))
        written.append(token)
        new = [token]
        cache = {name: outputs[name.replace("past_key_values", "present")] for name in cache}
    return {"tokens": written, "logps": logps}


request = json.load(sys.stdin)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(request["file"], options, providers=["CPUExecutionProvider"])
judgements = [greedy(session, prompt, request["end"], request["maxNewTokens"]) for prompt in request["prompts"]]
json.dump({"judgements": judgements, "versions": {"onnxruntime (Python)": onnxruntime.__version__}}, sys.stdout)
