"""Writes golden.json: losses, log-probabilities, gradients and AdamW states of tiny decoders, in double precision.

Needs PyTorch and nothing else; the tests need only its output. Run: python generate.py > golden.json
"""

import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

BASE = dict(hiddenSize=8, layers=2, heads=4, kvHeads=2, intermediateSize=12, maxLength=32, ropeTheta=100.0,
            normEpsilon=1e-5, tieEmbeddings=True, vocabSize=11)


def shapes(c):
    d, f, v = c["hiddenSize"], c["intermediateSize"], c["vocabSize"]
    kv = c["kvHeads"] * (d // c["heads"])
    out = {"model.embed_tokens.weight": (v, d), "model.norm.weight": (d,)}
    for i in range(c["layers"]):
        p = f"model.layers.{i}."
        out[p + "input_layernorm.weight"] = (d,)
        out[p + "post_attention_layernorm.weight"] = (d,)
        out[p + "self_attn.q_proj.weight"] = (d, d)
        out[p + "self_attn.k_proj.weight"] = (kv, d)
        out[p + "self_attn.v_proj.weight"] = (kv, d)
        out[p + "self_attn.o_proj.weight"] = (d, d)
        out[p + "mlp.gate_proj.weight"] = (f, d)
        out[p + "mlp.up_proj.weight"] = (f, d)
        out[p + "mlp.down_proj.weight"] = (d, f)
    if not c["tieEmbeddings"]:
        out["lm_head.weight"] = (v, d)
    return out


def initial(c):
    """Formula that the test repeats: element i of the parameter with name length n, rounded to float32."""
    params = {}
    for name, shape in shapes(c).items():
        n = math.prod(shape)
        base = 1.0 if "norm" in name else 0.0
        data = [base + 0.4 * math.sin(0.7 * i * i + 1.3 * len(name) + i) for i in range(n)]
        data = torch.tensor(data).float().double().reshape(shape)
        params[name] = data.requires_grad_()
    return params


def rms_norm(x, w, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * w


def rotate(x, theta):
    *_, length, dim = x.shape
    half = dim // 2
    angle = torch.arange(length)[:, None] * theta ** (-torch.arange(half) / half)
    cos, sin = torch.cat([angle.cos()] * 2, -1), torch.cat([angle.sin()] * 2, -1)
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def hidden_states(c, p, tokens, segments):
    rows, length = tokens.shape
    heads, kv = c["heads"], c["kvHeads"]
    dim = c["hiddenSize"] // heads
    allowed = torch.ones(length, length, dtype=torch.bool).tril()[None]
    if segments is not None:
        allowed = allowed & (segments[:, :, None] == segments[:, None, :])
    h = p["model.embed_tokens.weight"][tokens]
    for i in range(c["layers"]):
        n = f"model.layers.{i}."
        x = rms_norm(h, p[n + "input_layernorm.weight"], c["normEpsilon"])
        split = lambda w, k: (x @ p[n + f"self_attn.{w}_proj.weight"].T).view(rows, length, k, dim).transpose(1, 2)
        q, k, v = rotate(split("q", heads), c["ropeTheta"]), rotate(split("k", kv), c["ropeTheta"]), split("v", kv)
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed[:, None], enable_gqa=True)
        h = h + a.transpose(1, 2).reshape(rows, length, -1) @ p[n + "self_attn.o_proj.weight"].T
        x = rms_norm(h, p[n + "post_attention_layernorm.weight"], c["normEpsilon"])
        gate, up = x @ p[n + "mlp.gate_proj.weight"].T, x @ p[n + "mlp.up_proj.weight"].T
        h = h + (F.silu(gate) * up) @ p[n + "mlp.down_proj.weight"].T
    return rms_norm(h, p["model.norm.weight"], c["normEpsilon"])


def token_logprobs(c, p, tokens, segments, temperature):
    head = p["lm_head.weight"] if not c["tieEmbeddings"] else p["model.embed_tokens.weight"]
    logits = hidden_states(c, p, tokens, segments)[:, :-1] @ head.T / temperature
    return torch.log_softmax(logits, -1).gather(-1, tokens[:, 1:, None])[..., 0]


def case(name, c, tokens, weights, segments=None, temperature=1.0, grpo=None, steps=0):
    p = initial(c)
    t = torch.tensor(tokens)
    w = torch.tensor(weights)[:, 1:]
    seg = None if segments is None else torch.tensor(segments)
    total = w.sum()
    result = dict(name=name, config=c, tokens=tokens, weights=weights, temperature=temperature)
    if segments is not None:
        result["segments"] = segments

    def loss_of():
        logp = token_logprobs(c, p, t, seg, temperature)
        if grpo is None:
            return -(logp * w).sum() / total, logp, {}
        old, ref = torch.tensor(grpo["old"])[:, 1:], torch.tensor(grpo["ref"])[:, 1:]
        advantage = torch.tensor(grpo["advantages"])[:, None]
        ratio = (logp - old).clamp(-20, 20).exp()
        plain = -advantage * ratio
        clipped = -advantage * ratio.clamp(1 - grpo["clip"], 1 + grpo["clip"])
        d = (ref - logp).clamp(-20, 20)
        k3 = (d.exp() - d - 1).clamp(max=10)
        mean = lambda x: (x * w).sum() / total
        extra = dict(kl=mean(k3).item(), clipShare=mean((clipped > plain).double()).item())
        return mean(torch.maximum(plain, clipped)) + grpo["klCoefficient"] * mean(k3), logp, extra

    if grpo is not None:
        # Old and reference log-probabilities near the policy's own, so that some ratios are clipped and some not.
        own = token_logprobs(c, p, t, seg, temperature).detach()
        wave = lambda k: torch.sin(torch.arange(own.numel()) * k).view_as(own)
        pad = lambda x: [[0.0] + row for row in x.float().double().tolist()]
        grpo = dict(grpo, old=pad(own + 0.4 * wave(1.7)), ref=pad(own + 0.5 * wave(0.9)))
        result["grpo"] = grpo

    loss, logp, extra = loss_of()
    loss.backward()
    result |= dict(loss=loss.item(), logprobs=logp.tolist(), **extra)
    result["gradients"] = {n: round_list(q.grad) for n, q in p.items()}
    if steps:
        decay = [q for n, q in p.items() if "norm" not in n]
        plain = [q for n, q in p.items() if "norm" in n]
        settings = dict(learningRate=0.05, beta1=0.9, beta2=0.99, epsilon=1e-8, weightDecay=0.1, gradClip=0.5)
        optimizer = torch.optim.AdamW(
            [dict(params=decay, weight_decay=settings["weightDecay"]), dict(params=plain, weight_decay=0.0)],
            lr=settings["learningRate"], betas=(0.9, 0.99), eps=1e-8)
        norms = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss_of()[0].backward()
            norms.append(torch.nn.utils.clip_grad_norm_(p.values(), settings["gradClip"]).item())
            optimizer.step()
        result["adamw"] = dict(settings=settings, norms=norms, params={n: round_list(q) for n, q in p.items()})
    return result


def round_list(x):
    return [float(f"{value:.9g}") for value in x.detach().flatten().tolist()]


TOKENS = [[1, 5, 3, 9, 2, 7, 0, 0], [4, 4, 8, 10, 6, 0, 0, 0], [2, 9, 9, 1, 3, 5, 10, 6]]
WEIGHTS = [[0.0, 0.1, 0.1, 1, 1, 1, 0, 0], [0.0, 0.1, 1, 1, 1, 0, 0, 0], [0.0, 0.1, 0.1, 0.1, 1, 1, 1, 1]]
MASK = [[float(x == 1) for x in row] for row in WEIGHTS]
SEGMENTS = [[0, 0, 0, 1, 1, 1, 2, 2], [5, 5, 5, 5, 5, 5, 5, 5], [1, 2, 2, 2, 2, 3, 3, 3]]

cases = [
    case("supervised, tied, grouped queries", BASE, TOKENS, WEIGHTS, steps=3),
    case("supervised, untied, one head per query", dict(BASE, tieEmbeddings=False, kvHeads=4), TOKENS, WEIGHTS),
    case("supervised, packed rows", BASE, TOKENS, [[0.0] + [1.0] * 7] * 3, segments=SEGMENTS),
    case("GRPO, temperature 0.7", dict(BASE, kvHeads=1), TOKENS, MASK, temperature=0.7,
         grpo=dict(advantages=[1.463849, -0.585539, 0.801783], clip=0.2, klCoefficient=0.05)),
]
print(json.dumps(dict(madeWith=f"PyTorch {torch.__version__}, float64", cases=cases)))
