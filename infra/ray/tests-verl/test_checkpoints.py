"""Checkpoints on two nodes: written by verl's own saving, stored by its hook, found by its own resuming."""

import json
from pathlib import Path

import pytest
import torch
from fake_s3 import FakeS3
from omegaconf import OmegaConf
from small import FolderNodes, new_spec
from tiny import KEY, new_store, newest
from verl.trainer.ppo.checkpoint_callback import build_checkpoint_callback
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
from verl.utils.checkpoint.checkpoint_manager import find_latest_ckpt_path

from rmr1_ray.errors import JobError
from rmr1_ray.store import Checkpoints
from rmr1_ray.uploads import Uploads
from rmr1_ray.verl_callback import when_saved
from rmr1_ray.verl_checkpoints import RECORDS, ShardedCheckpoints
from rmr1_ray.verl_config import Layout, compose, verl_settings


class Workers:
    """verl's processes, each on a node of its own, as far as saving goes."""

    def __init__(self, nodes: FolderNodes) -> None:
        self.nodes = nodes

    def save_checkpoint(self, local_path, remote_path, global_step, max_ckpt_to_keep=None):
        assert (remote_path, max_ckpt_to_keep) == (None, None)
        for rank, node in enumerate(self.nodes.all()):
            folder = self.nodes.on(node, Path(local_path))
            folder.mkdir(parents=True)
            for kind in ("model", "optim", "extra_state"):
                (folder / f"{kind}_world_size_2_rank_{rank}.pt").write_bytes(f"{kind} {rank} at {global_step}".encode() * 100)
            if rank == 0:
                (folder / "fsdp_config.json").write_text('{"FSDP_version": 1, "world_size": 2}')
                (folder / "huggingface").mkdir()
                (folder / "huggingface" / "config.json").write_text("{}")


class Cluster:
    """One attempt at a stage, with two nodes and verl's trainer as it is when a step was made."""

    def __init__(self, tmp: Path, client: FakeS3, attempt: int = 1) -> None:
        claims = [{"attempt": n, "from": None if n == 1 else newest(client)} for n in range(1, attempt + 1)]
        client.objects[f"checkpoints/{KEY}/fence.json"] = json.dumps({"attempt": attempt, "claims": claims}).encode()
        self.store = new_store(client)
        self.layout = Layout(tmp / f"work-{attempt}")
        self.layout.root.mkdir()
        self.nodes = FolderNodes(self.store, self.layout.root, tmp / f"disks-{attempt}")
        self.checkpoints = self.of(2)
        self.uploads = Uploads(self.checkpoints, self.checkpoints.discard)
        when_saved(self.uploads.add)

    def of(self, processes: int) -> ShardedCheckpoints:
        return ShardedCheckpoints(Checkpoints(self.store, KEY, self.attempt), self.nodes, processes, self.records)

    @property
    def attempt(self) -> int:
        return int(self.layout.root.name.split("-")[1])

    def records(self, step: int) -> Path:
        folder = self.layout.root / f"records-{step}"
        folder.mkdir(exist_ok=True)
        (folder / "metrics.jsonl").write_text(f'{{"step": {step}}}\n')
        return folder

    def save(self, spec: dict, step: int) -> None:
        trainer = PPOTrainerSync.__new__(PPOTrainerSync)
        trainer.config = compose(verl_settings(spec, self.layout))
        OmegaConf.resolve(trainer.config)
        trainer.global_steps, trainer.use_critic, trainer.trainer_mode = step, False, "sync"
        trainer.actor_rollout_wg = Workers(self.nodes)
        trainer.train_dataloader = torch.utils.data.DataLoader([1])
        trainer.train_dataloader.state_dict = lambda: {"at": step}
        trainer.checkpoint_callback = build_checkpoint_callback(trainer.config)
        trainer._save_checkpoint()
        self.uploads.settle()

    def place(self, ranks=("n0", "n1")) -> int:
        return self.checkpoints.place(self.layout.checkpoints, ranks, self.layout.root)

    def shards(self, node: str) -> list[str]:
        return sorted(path.name for path in self.nodes.on(node, self.layout.checkpoints).rglob("*_rank_*.pt"))


@pytest.fixture
def stored(tmp_path):
    """Steps 2 and 4 in the store."""
    client = FakeS3()
    spec = new_spec(tmp_path, client)
    cluster = Cluster(tmp_path, client)
    for step in (2, 4):
        cluster.save(spec, step)
    return client, spec, cluster, tmp_path


def test_parts_of_all_nodes_come_first_and_the_manifest_last(stored):
    client, _, cluster, _ = stored
    root = f"checkpoints/{KEY}/step-00000004/attempt-1/"
    manifest = json.loads(client.objects[root + "manifest.json"])
    paths = sorted(file["path"] for file in manifest["files"])
    assert paths == sorted(
        [f"actor/{kind}_world_size_2_rank_{rank}.pt" for kind in ("model", "optim", "extra_state") for rank in (0, 1)]
        + ["actor/fsdp_config.json", "actor/huggingface/config.json", "data.pt", "records/metrics.jsonl"]
    )
    written = [key for key in client.writes if key.startswith(root)]
    assert written[-1] == root + "manifest.json"
    assert len(written) == len(paths) + 1
    # What is stored takes no room on any node.
    assert cluster.shards("n0") == cluster.shards("n1") == []


def test_verl_finds_what_was_placed_and_each_node_has_its_own_shards(stored):
    client, _, _, tmp = stored
    later = Cluster(tmp, client, attempt=2)
    assert later.place() == 4
    found = find_latest_ckpt_path(str(later.layout.checkpoints))
    assert found == str(later.layout.checkpoints / "global_step_4")
    assert torch.load(Path(found) / "data.pt", weights_only=False) == {"at": 4}
    for rank, node in enumerate(later.nodes.all()):
        assert later.shards(node) == [f"{kind}_world_size_2_rank_{rank}.pt" for kind in ("extra_state", "model", "optim")]
        shard = later.nodes.on(node, Path(found)) / "actor" / f"model_world_size_2_rank_{rank}.pt"
        assert shard.read_bytes().startswith(f"model {rank} at 4".encode())
        assert (later.nodes.on(node, Path(found)) / "actor" / "fsdp_config.json").exists()
    assert (later.layout.root / RECORDS / "metrics.jsonl").read_text() == '{"step": 4}\n'


def test_processes_may_come_to_lie_on_other_nodes(stored):
    client, _, _, tmp = stored
    later = Cluster(tmp, client, attempt=2)
    assert later.place(ranks=("n1", "n0")) == 4
    assert later.shards("n0")[0].endswith("rank_1.pt") and later.shards("n1")[0].endswith("rank_0.pt")


@pytest.mark.parametrize("harm", ["truncated", "missing"])
def test_a_checkpoint_that_is_not_whole_is_passed_over(stored, harm):
    client, _, _, tmp = stored
    key = f"checkpoints/{KEY}/step-00000004/attempt-1/actor/optim_world_size_2_rank_1.pt"
    if harm == "missing":
        del client.objects[key]
    else:
        client.objects[key] = client.objects[key][:-1]
    later = Cluster(tmp, client, attempt=2)
    assert later.place() == 2
    assert find_latest_ckpt_path(str(later.layout.checkpoints)).endswith("global_step_2")
    assert {path.name for path in later.layout.checkpoints.iterdir()} == {"global_step_2", "latest_checkpointed_iteration.txt"}


def test_where_there_is_none_verl_begins_anew(tmp_path):
    client = FakeS3()
    new_spec(tmp_path, client)
    cluster = Cluster(tmp_path, client)
    assert cluster.place() == 0
    assert find_latest_ckpt_path(str(cluster.layout.checkpoints)) is None


def test_another_number_of_processes_is_refused_with_what_to_set(stored):
    _, _, cluster, _ = stored
    with pytest.raises(JobError, match=r"step 4 was written by 2 processes, and the recipe has 4: set ray\.nodes and") as refused:
        cluster.of(4).newest()
    assert refused.value.code == 64
    assert cluster.of(2).newest() == 4


def test_a_later_attempt_shuts_this_one_out(stored):
    client, spec, cluster, tmp = stored
    Cluster(tmp, client, attempt=2)
    when_saved(cluster.uploads.add)
    before = dict(client.objects)
    with pytest.raises(JobError, match="attempt 2 has taken over"):
        cluster.save(spec, 6)
    assert client.objects == before


def test_a_node_that_is_gone_leaves_no_manifest(tmp_path):
    client = FakeS3()
    spec = new_spec(tmp_path, client)
    cluster = Cluster(tmp_path, client)
    gone = cluster.nodes.all
    saves = Workers.save_checkpoint

    def save_and_lose_a_node(self, *args, **kwargs):
        saves(self, *args, **kwargs)
        cluster.nodes.all = lambda: ["n0"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workers, "save_checkpoint", save_and_lose_a_node)
        with pytest.raises(JobError, match="step 2 has 3 shards of 6"):
            cluster.save(spec, 2)
    cluster.nodes.all = gone
    assert newest(client) is None


def test_the_model_alone_is_fetched_for_merging(stored):
    _, _, cluster, tmp = stored
    assert cluster.checkpoints.fetch_model(4, tmp / "final")
    assert sorted(path.name for path in (tmp / "final" / "actor").glob("*.pt")) == [
        f"model_world_size_2_rank_{rank}.pt" for rank in (0, 1)
    ]
    assert not cluster.checkpoints.fetch_model(6, tmp / "final")
