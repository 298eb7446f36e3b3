"""SFT steps in PyTorch, eager or compiled: forward, backward, clipping, fused AdamW; float32, SDPA attention.

A small model is a lean decoder of our own shape, without any library around it; with adapters it is transformers and
PEFT. Reads JSON lines on standard input and answers each with one, see `contender.ts`.
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
        d, f = c["hidden_size"], c["intermediate_size"]
        self.heads, self.kv = c["num_attention_heads"], c["num_key_value_heads"]
        self.dim = d // self.heads
        self.qkv = nn.Linear(d, (self.heads + 2 * self.kv) * self.dim, bias=False)
        self.o = nn.Linear(d, d, bias=False)
        self.gate_up = nn.Linear(d, 2 * f, bias=False)
        self.down = nn.Linear(f, d, bias=False)
        self.norm1, self.norm2 = RMSNorm(d, c["rms_norm_eps"]), RMSNorm(d, c["rms_norm_eps"])

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
    def __init__(self, c, length):
        super().__init__()
        half = c["hidden_size"] // c["num_attention_heads"] // 2
        angle = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cos", torch.cat([angle.cos()] * 2, -1))
        self.register_buffer("sin", torch.cat([angle.sin()] * 2, -1))
        self.embedding = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.blocks = nn.ModuleList(Block(c) for _ in range(c["num_hidden_layers"]))
        self.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)

    def forward(self, tokens):
        h = self.embedding(tokens)
        for block in self.blocks:
            h = block(h, self.cos, self.sin)
        return self.norm(h) @ self.embedding.weight.T


def say(message):
    print(json.dumps(message), flush=True)


def prepare(request):
    torch.set_num_threads(request["threads"])
    torch.manual_seed(0)
    versions = dict(torch=torch.__version__)
    with open(f"{request['model']}/config.json") as file:
        config = json.load(file)
    if request.get("lora"):
        import peft
        import transformers

        versions |= dict(transformers=transformers.__version__, peft=peft.__version__)
        base = transformers.AutoModelForCausalLM.from_pretrained(
            request["model"], dtype=torch.float32, attn_implementation="sdpa", use_cache=False
        )
        targets = "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split()
        settings = dict(r=request["lora"]["rank"], lora_alpha=request["lora"]["alpha"], lora_dropout=0.0)
        model = peft.get_peft_model(base, peft.LoraConfig(target_modules=targets, task_type="CAUSAL_LM", **settings))
        if request.get("recompute"):
            model.gradient_checkpointing_enable({"use_reentrant": False})
            model.enable_input_require_grads()
        model.train()
        logits = lambda tokens: model(input_ids=tokens).logits
    else:
        model = Decoder(config, request["length"])
        logits = model
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        dict(params=[p for p in trained if p.dim() > 1], weight_decay=0.01),
        dict(params=[p for p in trained if p.dim() == 1], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=1e-4, fused=True)
    tokens = torch.randint(16, config["vocab_size"], (request["batch"], request["length"] + 1))

    def loss_of(inputs, targets):
        return F.cross_entropy(logits(inputs).flatten(0, 1), targets.flatten())

    if request.get("compile"):
        loss_of = torch.compile(loss_of)
    inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()

    def work(count):
        for _ in range(count):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(inputs, targets)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
        return dict(loss=loss.item())

    sizes = dict(parameters=sum(p.numel() for p in model.parameters()), trained=sum(p.numel() for p in trained))
    return work, dict(**sizes, versions=versions)


def gemm(request):
    torch.set_num_threads(request["threads"])
    a, b = torch.rand(request["size"], request["size"]), torch.rand(request["size"], request["size"])
    out = torch.empty_like(a)

    def work(count):
        for _ in range(count):
            torch.mm(a, b, out=out)
        return {}

    return work, dict(versions=dict(torch=torch.__version__))


def main():
    request = json.loads(sys.stdin.readline())
    work, ready = (gemm if request["kind"] == "gemm" else prepare)(request)
    say(ready)
    for line in sys.stdin:
        start = time.perf_counter()
        given = work(json.loads(line)["work"])
        say(dict(seconds=time.perf_counter() - start, **given))


main()
