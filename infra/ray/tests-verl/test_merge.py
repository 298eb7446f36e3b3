"""From shards as verl writes them, by two processes with FSDP, to the model that went in."""

import json
import os
import socket

import pytest
import torch
import torch.multiprocessing
from fake_s3 import FakeS3
from safetensors.torch import load_file
from small import FolderNodes, new_spec
from tiny import KEY, new_store, result

from rmr1_ray.errors import JobError
from rmr1_ray.grpo_verl import VerlStage
from rmr1_ray.run import METRICS, Run
from rmr1_ray.store import Checkpoints
from rmr1_ray.verl_checkpoints import ShardedCheckpoints
from rmr1_ray.verl_data import write_tokenizer
from rmr1_ray.verl_merge import merge_shards


def save_shards(rank, source, tokenizer, target, port):
    """One of two processes: the model under FSDP, saved by verl's own checkpoint manager."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FullyShardedDataParallel, ShardingStrategy
    from transformers import AutoModelForCausalLM
    from verl.utils import hf_tokenizer
    from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager

    torch.distributed.init_process_group("gloo")
    model = FullyShardedDataParallel(
        AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32),
        sharding_strategy=ShardingStrategy.FULL_SHARD,
        device_mesh=init_device_mesh("cpu", (2,), mesh_dim_names=("fsdp",)),
        device_id=torch.device("cpu"),
    )
    optimizer = torch.optim.AdamW(model.parameters())
    manager = FSDPCheckpointManager(model, optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer), hf_tokenizer(tokenizer))
    manager.save_checkpoint(target, None, 4)
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """A model whose weights bfloat16 holds exactly, and `global_step_4` as verl leaves it."""
    tmp = tmp_path_factory.mktemp("shards")
    client = FakeS3()
    spec = new_spec(tmp, client)
    weights = load_file(tmp / "source" / "model.safetensors")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    saved = tmp / "global_step_4"
    write_tokenizer(tmp / "source", tmp / "tokenizer")
    paths = [str(path) for path in (tmp / "source", tmp / "tokenizer", saved / "actor")]
    torch.multiprocessing.spawn(save_shards, args=(*paths, port), nprocs=2)
    return tmp, client, spec, weights, saved


def test_merged_shards_are_the_weights_that_went_in(shards, tmp_path):
    tmp, _, _, weights, saved = shards
    assert {path.name for path in (saved / "actor").glob("*.pt")} == {
        f"{kind}_world_size_2_rank_{rank}.pt" for kind in ("model", "optim", "extra_state") for rank in (0, 1)
    }
    merge_shards(saved / "actor", tmp / "source", tmp_path / "model")
    merged = load_file(tmp_path / "model" / "model.safetensors")
    assert merged.keys() == weights.keys()
    for name, weight in weights.items():
        assert merged[name].dtype == torch.bfloat16
        assert torch.equal(merged[name], weight.bfloat16()), name
    assert json.loads((tmp_path / "model" / "tokenizer_config.json").read_text())["chat_template"] == "kept as it is"


def test_a_shard_that_is_missing_fails(shards, tmp_path):
    tmp, _, _, _, saved = shards
    (tmp_path / "actor").mkdir()
    for path in (saved / "actor").glob("*rank_0.pt"):
        (tmp_path / "actor" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(JobError, match="merger ended with exit code 1"):
        merge_shards(tmp_path / "actor", tmp / "source", tmp_path / "model")


def test_an_attempt_that_died_behind_its_last_step_only_merges(shards, tmp_path):
    _, client, spec, weights, saved = shards
    client.objects[f"checkpoints/{KEY}/fence.json"] = b'{"attempt": 1, "claims": [{"attempt": 1, "from": null}]}'
    store = new_store(client)
    records = tmp_path / "records"
    records.mkdir()
    (records / METRICS).write_text('{"step": 4}\n')
    nodes = FolderNodes(store, saved.parent, tmp_path / "none", count=1)
    ShardedCheckpoints(Checkpoints(store, KEY, 1), nodes, 2, lambda _: records).save(4, saved)
    work = tmp_path / "work"
    work.mkdir()
    run = Run(store, spec, work)
    assert VerlStage(run, FolderNodes(store, work, tmp_path / "none", count=1)).run(config=None)
    left = result(client)
    assert (left["step"], left["totalSteps"]) == (4, 4)
    assert client.writes[-1].endswith("result.json")
    listing = json.loads(client.objects[f"objects/{left['outputs']['model']['sha256'][:2]}/{left['outputs']['model']['sha256']}"])
    stored = {file["path"]: file["sha256"] for file in listing["files"]}
    (tmp_path / "back").mkdir()
    sha256 = stored["model.safetensors"]
    (tmp_path / "back" / "w").write_bytes(client.objects[f"objects/{sha256[:2]}/{sha256}"])
    assert all(torch.equal(weight, weights[name].bfloat16()) for name, weight in load_file(tmp_path / "back" / "w").items())
