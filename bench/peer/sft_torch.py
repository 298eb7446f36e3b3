"""One SFT step of a Llama decoder in eager PyTorch: SDPA attention, fused AdamW, gradient clipping, float32.

Reads JSON lines on stdin and answers each with one on stdout:
  {}                                                         → {"torch": version}
  {"config": {...}, "batch": B, "length": T, "threads": n}  → {"ready": true, "parameters": n}
  {"steps": n}                                               → {"seconds": s, "cpu": s, "loss": x}
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, f = c["hiddenSize"], c["intermediateSize"]
        self.heads, self.kv = c["heads"], c["kvHeads"]
        self.dim = d // self.heads
        self.qkv = nn.Linear(d, (self.heads + 2 * self.kv) * self.dim, bias=False)
        self.o = nn.Linear(d, d, bias=False)
        self.gate_up = nn.Linear(d, 2 * f, bias=False)
        self.down = nn.Linear(f, d, bias=False)
        self.norm1, self.norm2 = RMSNorm(d, c["normEpsilon"]), RMSNorm(d, c["normEpsilon"])

    def forward(self, h, cos, sin):
        b, t, _ = h.shape
        qkv = self.qkv(self.norm1(h)).view(b, t, -1, self.dim).transpose(1, 2)
        q, k, v = qkv.split([self.heads, self.kv, self.kv], 1)
        turn = lambda x: x * cos + torch.cat([-x[..., self.dim // 2 :], x[..., : self.dim // 2]], -1) * sin
        a = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True, enable_gqa=self.heads != self.kv)
        h = h + self.o(a.transpose(1, 2).reshape(b, t, -1))
        gate, up = self.gate_up(self.norm2(h)).chunk(2, -1)
        return h + self.down(F.silu(gate) * up)


class Decoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embedding = nn.Embedding(c["vocabSize"], c["hiddenSize"])
        self.blocks = nn.ModuleList(Block(c) for _ in range(c["layers"]))
        self.norm = RMSNorm(c["hiddenSize"], c["normEpsilon"])
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)

    def forward(self, tokens):
        half = self.c["hiddenSize"] // self.c["heads"] // 2
        angle = torch.arange(tokens.shape[1])[:, None] * self.c["ropeTheta"] ** (-torch.arange(half) / half)
        cos, sin = torch.cat([angle.cos()] * 2, -1), torch.cat([angle.sin()] * 2, -1)
        h = self.embedding(tokens)
        for block in self.blocks:
            h = block(h, cos, sin)
        return self.norm(h) @ self.embedding.weight.T


def say(message):
    print(json.dumps(message), flush=True)


def main():
    state = {}
    for line in sys.stdin:
        request = json.loads(line)
        if not request:
            say(dict(torch=torch.__version__))
            continue
        if "config" in request:
            torch.set_num_threads(request["threads"])
            torch.manual_seed(0)
            model = Decoder(request["config"])
            matrices = [p for p in model.parameters() if p.dim() > 1]
            vectors = [p for p in model.parameters() if p.dim() == 1]
            groups = [dict(params=matrices, weight_decay=0.01), dict(params=vectors, weight_decay=0.0)]
            optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
            vocab = request["config"]["vocabSize"]
            tokens = torch.randint(0, vocab, (request["batch"], request["length"] + 1))
            weights = torch.ones(request["batch"], request["length"])
            state = dict(model=model, optimizer=optimizer, tokens=tokens, weights=weights)
            say(dict(ready=True, parameters=sum(p.numel() for p in model.parameters()), torch=torch.__version__))
            continue
        model, optimizer, tokens, weights = (state[k] for k in ("model", "optimizer", "tokens", "weights"))
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(request["steps"]):
            optimizer.zero_grad(set_to_none=True)
            logits = model(tokens[:, :-1])
            nll = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
            loss = (nll * weights.flatten()).sum() / weights.sum()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        say(dict(seconds=time.perf_counter() - start, cpu=time.process_time() - cpu, loss=loss.item()))


main()
