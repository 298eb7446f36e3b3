"""The reward model's loss, head and files."""

import json

import pytest
import torch
from fake_s3 import FakeS3
from safetensors.torch import load
from tiny import metrics, new_run, new_stage, result, reward_rows, untimed
from transformers import LlamaForSequenceClassification

from rmr1_ray.data import encode_pairs
from rmr1_ray.model import load_model, load_tokenizer
from rmr1_ray.reward_model import run_reward

torch.set_num_threads(1)


def trained(tmp, rows, **changes):
    client = FakeS3()
    spec = new_stage(tmp, "reward", rows, client, **changes)
    assert run_reward(new_run(client, spec, tmp / "work"))
    return client, spec


def files_of(client, output):
    sha256 = result(client)["outputs"][output]["sha256"]
    listing = json.loads(client.objects[f"objects/{sha256[:2]}/{sha256}"])
    return {file["path"]: client.objects[f"objects/{file['sha256'][:2]}/{file['sha256']}"] for file in listing["files"]}


def score(model, ids):
    """A text alone, read at its end."""
    hidden = model.model(torch.tensor([ids])).last_hidden_state[0, -1]
    return (model.score.weight[0] @ hidden).item()


def test_the_loss_is_that_of_bradley_and_terry_at_end_of_text(tmp_path):
    rows = reward_rows(4)
    client, spec = trained(tmp_path, rows, epochs=1)
    first = metrics(client)[0]
    model = load_model(spec, tmp_path / "source", scalar_head=True).eval()
    pairs = encode_pairs(rows, load_tokenizer(tmp_path / "source"), 40)
    with torch.no_grad():
        margins = torch.tensor([score(model, pair["chosen_ids"]) - score(model, pair["rejected_ids"]) for pair in pairs])
    assert first["loss"] == pytest.approx(-torch.nn.functional.logsigmoid(margins).mean().item(), rel=1e-5)
    assert first["margin"] == pytest.approx(margins.mean().item(), abs=1e-6)
    assert first["accuracy"] == (margins > 0).double().mean().item()
    assert first["tokens"] == sum(len(pair["chosen_ids"]) + len(pair["rejected_ids"]) for pair in pairs)


def test_every_pair_of_an_update_counts_the_same_in_micro_batches_of_any_size(tmp_path):
    # Eleven pairs: the last update of an epoch has three, as two and one.
    whole, _ = trained(tmp_path / "whole", reward_rows(11), samplesPerDevice=4)
    parts, _ = trained(tmp_path / "parts", reward_rows(11), samplesPerDevice=2)
    for one, other in zip(metrics(whole), metrics(parts), strict=True):
        for name in ("loss", "gradNorm", "accuracy", "margin"):
            assert other[name] == pytest.approx(one[name], rel=1e-4, abs=1e-6), name


def test_padding_is_never_end_of_text_at_which_the_score_is_read(tmp_path):
    apart, _ = trained(tmp_path / "apart", reward_rows(), epochs=1)
    source = tmp_path / "same" / "source"
    from tiny import write_model

    write_model(source)
    (source / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<end>"}))
    same, _ = trained(tmp_path / "same", reward_rows(), epochs=1)
    assert untimed(metrics(same)) == untimed(metrics(apart))
    assert json.loads(files_of(same, "model")["config.json"])["pad_token_id"] == 0


def test_it_learns_and_leaves_a_sequence_classifier(tmp_path):
    client, _ = trained(tmp_path, reward_rows(), epochs=30)
    assert metrics(client)[0]["loss"] == pytest.approx(0.6931, abs=0.05)
    assert metrics(client)[-1]["loss"] < 0.3
    assert metrics(client)[-1]["accuracy"] == 1
    for name, body in files_of(client, "model").items():
        (tmp_path / name).write_bytes(body)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    assert config["id2label"] == {"0": "LABEL_0"}
    model = LlamaForSequenceClassification.from_pretrained(tmp_path)
    assert model.score.weight.shape == (1, 32)


def test_adapters_are_merged_and_their_head_is_trained_whole(tmp_path):
    lora = {"rank": 2, "alpha": 4, "targets": ["q_proj", "v_proj"]}
    client, spec = trained(tmp_path, reward_rows(), epochs=2, lora=lora)
    adapter, model = load(files_of(client, "adapter")["adapter_model.safetensors"]), load(files_of(client, "model")["model.safetensors"])
    head = adapter["base_model.model.score.weight"]
    assert torch.equal(model["score.weight"], head)
    start = load_model(spec, tmp_path / "source", scalar_head=True)
    assert not torch.equal(head, start.score.weight)
    assert not torch.equal(model["model.layers.0.self_attn.q_proj.weight"], start.model.layers[0].self_attn.q_proj.weight)
    assert torch.equal(model["model.layers.0.mlp.up_proj.weight"], start.model.layers[0].mlp.up_proj.weight)
