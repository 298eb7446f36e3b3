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


def head_dim(c):
    return c.get("headDim", c["hiddenSize"] // c["heads"])


def shapes(c):
    d, f, v = c["hiddenSize"], c["intermediateSize"], c["vocabSize"]
    dim = head_dim(c)
    q, kv = c["heads"] * dim, c["kvHeads"] * dim
    out = {"model.embed_tokens.weight": (v, d), "model.norm.weight": (d,)}
    for i in range(c["layers"]):
        p = f"model.layers.{i}."
        out[p + "input_layernorm.weight"] = (d,)
        out[p + "post_attention_layernorm.weight"] = (d,)
        out[p + "self_attn.q_proj.weight"] = (q, d)
        out[p + "self_attn.k_proj.weight"] = (kv, d)
        out[p + "self_attn.v_proj.weight"] = (kv, d)
        out[p + "self_attn.o_proj.weight"] = (d, q)
        if c.get("attentionBias"):
            out[p + "self_attn.q_proj.bias"] = (q,)
            out[p + "self_attn.k_proj.bias"] = (kv,)
            out[p + "self_attn.v_proj.bias"] = (kv,)
        if c.get("attentionBias") == "qkvo":
            out[p + "self_attn.o_proj.bias"] = (d,)
        out[p + "mlp.gate_proj.weight"] = (f, d)
        out[p + "mlp.up_proj.weight"] = (f, d)
        out[p + "mlp.down_proj.weight"] = (d, f)
    if c.get("scalarHead"):
        out["score.weight"] = (1, d)
    elif not c["tieEmbeddings"]:
        out["lm_head.weight"] = (v, d)
    return out


def adapter_shapes(c, lora):
    """Names as PEFT's, for the projections that `lora` targets."""
    out = {}
    for name, shape in shapes(c).items():
        stem, suffix = name.rsplit(".", 1)
        if suffix == "weight" and stem.split(".")[-1] in lora["targets"]:
            out[f"base_model.model.{stem}.lora_A.weight"] = (lora["rank"], shape[1])
            out[f"base_model.model.{stem}.lora_B.weight"] = (shape[0], lora["rank"])
    if c.get("scalarHead"):
        out["base_model.model.score.weight"] = (1, c["hiddenSize"])
    return out


def adapted(p, adapters, lora):
    """The decoder's weights with alpha/r * B @ A added."""
    merged = dict(p)
    for name, a in adapters.items():
        if name.endswith("score.weight"):
            merged["score.weight"] = a
        if ".lora_A." in name:
            target = name[len("base_model.model."):].replace(".lora_A", "")
            merged[target] = p[target] + lora["alpha"] / lora["rank"] * adapters[name.replace("_A", "_B")] @ a
    return merged


def initial(shapes_by_name):
    """Formula that the test repeats: element i of the parameter with name length n, rounded to float32."""
    params = {}
    for name, shape in shapes_by_name.items():
        n = math.prod(shape)
        base = 1.0 if "norm" in name or name.endswith(".bias") else 0.0
        data = [base + 0.4 * math.sin(0.7 * i * i + 1.3 * len(name) + i) for i in range(n)]
        data = torch.tensor(data).float().double().reshape(shape)
        params[name] = data.requires_grad_()
    return params


def rms_norm(x, w, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * w


def frequencies(c):
    """As transformers computes `inv_freq`."""
    half = head_dim(c) // 2
    inverse = c["ropeTheta"] ** (-torch.arange(half) / half)
    scaling = c.get("ropeScaling")
    if scaling is None:
        return inverse
    if scaling["type"] == "linear":
        return inverse / scaling["factor"]
    length, low, high = (scaling[k] for k in ("originalMaxLength", "lowFrequencyFactor", "highFrequencyFactor"))
    wavelength = 2 * math.pi / inverse
    scaled = torch.where(wavelength > length / low, inverse / scaling["factor"], inverse)
    smooth = (length / wavelength - low) / (high - low)
    medium = ~(wavelength < length / high) & ~(wavelength > length / low)
    return torch.where(medium, (1 - smooth) * scaled / scaling["factor"] + smooth * scaled, scaled)


def rotate(x, inverse):
    *_, length, _dim = x.shape
    half = len(inverse)
    angle = torch.arange(length)[:, None] * inverse
    cos, sin = torch.cat([angle.cos()] * 2, -1), torch.cat([angle.sin()] * 2, -1)
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def hidden_states(c, p, tokens, segments):
    rows, length = tokens.shape
    heads, kv = c["heads"], c["kvHeads"]
    dim = head_dim(c)
    inverse = frequencies(c)
    allowed = torch.ones(length, length, dtype=torch.bool).tril()[None]
    if segments is not None:
        allowed = allowed & (segments[:, :, None] == segments[:, None, :])
    h = p["model.embed_tokens.weight"][tokens]
    for i in range(c["layers"]):
        n = f"model.layers.{i}."
        x = rms_norm(h, p[n + "input_layernorm.weight"], c["normEpsilon"])
        linear = lambda x, w: F.linear(x, p[n + f"self_attn.{w}_proj.weight"], p.get(n + f"self_attn.{w}_proj.bias"))
        split = lambda w, k: linear(x, w).view(rows, length, k, dim).transpose(1, 2)
        q, k, v = rotate(split("q", heads), inverse), rotate(split("k", kv), inverse), split("v", kv)
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed[:, None], enable_gqa=True)
        h = h + linear(a.transpose(1, 2).reshape(rows, length, -1), "o")
        x = rms_norm(h, p[n + "post_attention_layernorm.weight"], c["normEpsilon"])
        gate, up = x @ p[n + "mlp.gate_proj.weight"].T, x @ p[n + "mlp.up_proj.weight"].T
        h = h + (F.silu(gate) * up) @ p[n + "mlp.down_proj.weight"].T
    return rms_norm(h, p["model.norm.weight"], c["normEpsilon"])


def token_logprobs(c, p, tokens, segments, temperature):
    head = p["lm_head.weight"] if not c["tieEmbeddings"] else p["model.embed_tokens.weight"]
    logits = hidden_states(c, p, tokens, segments)[:, :-1] @ head.T / temperature
    return torch.log_softmax(logits, -1).gather(-1, tokens[:, 1:, None])[..., 0]


def case(name, c, tokens, weights, segments=None, temperature=1.0, grpo=None, steps=0, lora=None):
    p = initial(shapes(c))
    adapters = initial(adapter_shapes(c, lora)) if lora else {}
    trained = adapters or p
    if lora:
        p = adapted({n: q.detach() for n, q in p.items()}, adapters, lora)
    t = torch.tensor(tokens)
    w = torch.tensor(weights)[:, 1:]
    seg = None if segments is None else torch.tensor(segments)
    total = w.sum()
    result = dict(name=name, config=c, tokens=tokens, weights=weights, temperature=temperature)
    if segments is not None:
        result["segments"] = segments
    if lora:
        result["lora"] = lora

    def loss_of():
        logp = token_logprobs(c, p, t, seg, temperature)
        if grpo is None:
            return -(logp * w).sum() / total, logp, {}
        old, ref = torch.tensor(grpo["old"])[:, 1:], torch.tensor(grpo["ref"])[:, 1:]
        advantage = torch.tensor(grpo["advantages"])[:, None]
        high = grpo.get("clipHigh", grpo["clip"])
        if grpo.get("objective") == "gspo":
            s = (((logp - old).clamp(-20, 20) * w).sum(1) / w.sum(1)).exp()
            a = advantage[:, 0]
            plain, clipped = -a * s, -a * s.clamp(1 - grpo["clip"], 1 + high)
            d = (ref - logp).clamp(-20, 20)
            kl = ((d.exp() - d - 1).clamp(max=10) * w).sum() / total
            extra = dict(kl=kl.item(), clipShare=(clipped > plain).double().mean().item())
            return torch.maximum(plain, clipped).mean() + grpo["klCoefficient"] * kl, logp, extra
        ratio = (logp - old).clamp(-20, 20).exp()
        plain = -advantage * ratio
        clipped = -advantage * ratio.clamp(1 - grpo["clip"], 1 + high)
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
    result["gradients"] = {n: round_list(q.grad) for n, q in trained.items()}
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


def preference(name, c, pairs, lora=None):
    """The Bradley-Terry loss of pairs of sequences, each read by itself and scored at its last token."""
    c = dict(c, scalarHead=True)
    p = initial(shapes(c))
    adapters = initial(adapter_shapes(c, lora)) if lora else {}
    trained = adapters or p
    if lora:
        p = adapted({n: q.detach() for n, q in p.items()}, adapters, lora)
    score = lambda tokens: hidden_states(c, p, torch.tensor([tokens]), None)[0, -1] @ p["score.weight"][0]
    margins = torch.stack([score(chosen) - score(rejected) for chosen, rejected in pairs])
    loss = -F.logsigmoid(margins).mean()
    loss.backward()
    result = dict(name=name, config=c, pairs=pairs, loss=loss.item(), margins=margins.tolist())
    if lora:
        result["lora"] = lora
    # Frozen weights and those that nothing reads have none.
    result["gradients"] = {n: round_list(q.grad) for n, q in trained.items()}
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
    case("GRPO, higher upper clip", BASE, TOKENS, MASK,
         grpo=dict(advantages=[1.463849, -0.585539, 0.801783], clip=0.05, clipHigh=0.3, klCoefficient=0.0)),
    case("GSPO, temperature 0.9", BASE, TOKENS, MASK, temperature=0.9,
         grpo=dict(objective="gspo", advantages=[1.463849, -0.585539, 0.801783], clip=0.01, clipHigh=0.02,
                   klCoefficient=0.05)),
    case("supervised, Qwen2 biases, own head size, linear rope", dict(BASE, attentionBias="qkv", headDim=6,
         ropeScaling=dict(type="linear", factor=2.0)), TOKENS, WEIGHTS),
    case("supervised, biases everywhere, llama3 rope", dict(BASE, attentionBias="qkvo", tieEmbeddings=False,
         ropeScaling=dict(type="llama3", factor=8.0, lowFrequencyFactor=1.0, highFrequencyFactor=4.0,
                          originalMaxLength=32)), TOKENS, WEIGHTS),
    case("LoRA on all projections", BASE, TOKENS, WEIGHTS, lora=dict(rank=2, alpha=5.0, targets=[
         "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])),
    case("LoRA on queries and values, packed, untied", dict(BASE, tieEmbeddings=False, attentionBias="qkv"), TOKENS,
         [[0.0] + [1.0] * 7] * 3, segments=SEGMENTS, lora=dict(rank=3, alpha=3.0, targets=["q_proj", "v_proj"])),
]
PAIRS = [[[1, 5, 3, 9, 2], [1, 5, 3, 7, 7, 2]], [[4, 4, 8, 10, 6], [4, 4, 8]], [[2, 9], [2, 9, 1, 3, 5, 10, 6]]]
preferences = [
    preference("tied, grouped queries", BASE, PAIRS),
    preference("untied, biases as Qwen2", dict(BASE, tieEmbeddings=False, attentionBias="qkv"), PAIRS),
    preference("LoRA", BASE, PAIRS, lora=dict(rank=2, alpha=5.0, targets=["q_proj", "v_proj", "down_proj"])),
]
print(json.dumps(dict(madeWith=f"PyTorch {torch.__version__}, float64", cases=cases, preferences=preferences)))
