"""Models out of checkpoints of stages that have not ended."""

import json

import pytest
import torch
from fake_s3 import FakeS3
from safetensors.torch import load
from tiny import KEY, new_run, new_stage, newest, reward_rows, sft_rows

from rmr1_ray.errors import JobError
from rmr1_ray.merge import main, merge
from rmr1_ray.model import load_model
from rmr1_ray.reward_model import run_reward
from rmr1_ray.sft import run_sft
from rmr1_ray.store import Checkpoints

torch.set_num_threads(1)
LORA = {"rank": 2, "alpha": 6, "targets": ["q_proj", "down_proj"]}
KINDS = {"sft": (run_sft, sft_rows), "reward": (run_reward, reward_rows)}


def unfinished(tmp, kind, **changes):
    """A stage that was asked to stop at once, so that its first checkpoint is all there is."""
    client = FakeS3()
    job, rows = KINDS[kind]
    spec = new_stage(tmp, kind, rows(), client, **changes)
    root = f"checkpoints/{KEY}/ray"
    client.objects[f"{root}/attempt-1/stop.json"] = b"{}"
    client.objects[f"{root}/attempt-1/spec.json"] = json.dumps(spec).encode()
    client.objects[f"{root}/job.json"] = json.dumps({"attempt": 1}).encode()
    run = new_run(client, spec, tmp / "work")
    assert job(run) is False
    return client, run


def merged(client, step):
    ref = json.loads(client.objects[f"checkpoints/{KEY}/ray/merged-{step:08d}.json"])["model"]
    listing = json.loads(client.objects[f"objects/{ref['sha256'][:2]}/{ref['sha256']}"])
    return {file["path"]: client.objects[f"objects/{file['sha256'][:2]}/{file['sha256']}"] for file in listing["files"]}


def test_all_weights_are_taken_as_they_are_and_the_other_files_are_the_sources(tmp_path):
    client, run = unfinished(tmp_path, "sft")
    step = merge(run.store, KEY, tmp_path / "merge")
    assert step == newest(client)["step"]
    files = merged(client, step)
    checkpoint = f"checkpoints/{KEY}/step-{step:08d}/attempt-1/"
    assert files["model.safetensors"] == client.objects[checkpoint + "model.safetensors"]
    assert json.loads(files["tokenizer_config.json"])["chat_template"] == "kept as it is"
    assert "optimizer.pt" not in files
    # The stage goes on from where it was.
    assert new_run(client, run.spec, tmp_path / "second", attempt=2).resumed_at == step


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_become_part_of_the_weights(tmp_path, kind):
    client, run = unfinished(tmp_path, kind, lora=LORA)
    step = merge(run.store, KEY, tmp_path / "merge")
    weights = load(merged(client, step)["model.safetensors"])
    adapter = load(client.objects[f"checkpoints/{KEY}/step-{step:08d}/attempt-1/adapter_model.safetensors"])
    start = load_model(run.spec, tmp_path / "source", scalar_head=kind == "reward").state_dict()
    changed = 0
    for name, tensor in weights.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{stem}.lora_A.weight" in adapter:
            changed += 1
            delta = 3 * adapter[f"{stem}.lora_B.weight"] @ adapter[f"{stem}.lora_A.weight"]
            assert torch.allclose(tensor, start[name] + delta, atol=1e-6)
            assert delta.abs().max() > 0
        elif name == "score.weight":
            assert torch.equal(tensor, adapter["base_model.model.score.weight"])
        else:
            assert torch.equal(tensor, start[name]), name
    assert changed == 4
    config = json.loads(merged(client, step)["config.json"])
    assert config["architectures"] == ["LlamaForSequenceClassification" if kind == "reward" else "LlamaForCausalLM"]


def test_where_there_is_nothing_to_merge_it_is_said(tmp_path, monkeypatch, capsys):
    client, run = unfinished(tmp_path, "sft")
    for key in [key for key in client.objects if "/step-" in key]:
        del client.objects[key]
    with pytest.raises(JobError, match="has no whole checkpoint yet: wait for its first"):
        merge(run.store, KEY, tmp_path / "merge")
    assert Checkpoints(run.store, KEY, 1).fetch(tmp_path / "none") is None
    monkeypatch.setattr("boto3.client", lambda *_, **__: client)
    monkeypatch.setenv("RMR1_STAGE_KEY", "cd" * 32)
    assert main() == 64
    assert "was never trained on Ray" in capsys.readouterr().out
