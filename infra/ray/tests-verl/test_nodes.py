"""Nodes through a real Ray, with a real S3: only where `npm run check:verl` has started one."""

import os
from pathlib import Path

import pytest
from fake_s3 import FakeS3
from small import new_spec
from tiny import KEY

from rmr1_ray.errors import JobError
from rmr1_ray.store import Checkpoints, Store, list_files
from rmr1_ray.verl_checkpoints import ShardedCheckpoints
from rmr1_ray.verl_config import Layout
from rmr1_ray.verl_nodes import RayNodes, list_node, prepare_node, wait_for_gpus
from rmr1_ray.verl_trainer import nodes_of

pytestmark = pytest.mark.skipif("RMR1_S3_ENDPOINT" not in os.environ, reason="needs an S3 server: npm run check:verl")


@pytest.fixture(scope="module")
def nodes():
    """Two nodes of one cluster, on this machine: their disk is the same."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 1, "object_store_memory": 80_000_000})
    cluster.add_node(num_cpus=2, object_store_memory=80_000_000)
    ray.init(address=cluster.address, log_to_driver=False)
    yield RayNodes()
    ray.shutdown()
    cluster.shutdown()


def test_all_nodes_are_reached_and_those_with_gpus_are_known(nodes):
    assert len(nodes.all()) == 2 and nodes.all()[0] == nodes.driver
    assert nodes.with_gpus() == {nodes.driver}
    assert nodes.run(where, {node: () for node in nodes.all()}) == {node: node for node in nodes.all()}


def where(_: Store) -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def test_a_failure_comes_back_with_its_name_and_code(nodes):
    with pytest.raises(JobError, match="missing or corrupt") as failed:
        absent = {"uri": "s3://rmr1/x", "sha256": "0" * 64, "bytes": 1, "kind": "model"}
        nodes.run(prepare_node, {nodes.driver: (Path("/tmp/rmr1-verl-test-1"), absent, True)})
    assert (failed.value.type, failed.value.code) == ("BadData", 65)


def test_the_node_of_every_process_is_known(nodes):
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    @ray.remote(num_cpus=0)
    class Worker:
        pass

    wanted = [*nodes.all(), nodes.driver]
    workers = [Worker.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote() for node in wanted]
    assert nodes_of(workers) == wanted


def test_model_and_checkpoint_go_through_the_bucket(nodes, tmp_path):
    local = FakeS3()
    new_spec(tmp_path, local)
    store = Store()
    model = store.put_directory("model", tmp_path / "source")
    store.put_json(f"checkpoints/{KEY}/fence.json", {"attempt": 1, "claims": [{"attempt": 1, "from": None}]})
    root = tmp_path / "rmr1-verl-x-2"
    (tmp_path / "rmr1-verl-x-1").mkdir()
    nodes.run(prepare_node, {nodes.driver: (root, model, True)})
    assert not (tmp_path / "rmr1-verl-x-1").exists()
    assert "model.safetensors" in list_files(Layout(root).model) and "tokenizer.json" in list_files(Layout(root).tokenizer)

    step = root / "checkpoints" / "global_step_2"
    (step / "actor").mkdir(parents=True)
    for rank in (0, 1):
        for kind in ("model", "optim", "extra_state"):
            (step / "actor" / f"{kind}_world_size_2_rank_{rank}.pt").write_bytes(os.urandom(1000))
    (step / "data.pt").write_bytes(b"d")
    whole = {path: (step / path).read_bytes() for path in list_files(step)}
    records = tmp_path / "out"
    records.mkdir()
    checkpoints = ShardedCheckpoints(Checkpoints(store, KEY, 1), nodes, 2, lambda _: records)
    checkpoints.save(2, step)
    checkpoints.discard(step)
    assert nodes.run(list_node, {node: (step,) for node in nodes.all()}) == {node: [] for node in nodes.all()}
    assert checkpoints.newest() == 2
    assert checkpoints.place(root / "checkpoints", nodes.all(), root) == 2
    assert {path: (step / path).read_bytes() for path in list_files(step)} == whole


def test_a_cluster_without_the_gpus_is_refused_by_name(nodes, monkeypatch):
    monkeypatch.setattr("rmr1_ray.verl_nodes.START_SECONDS", 1)
    with pytest.raises(JobError, match="no 2 free nodes with 8 GPUs and 24 CPUs") as refused:
        wait_for_gpus(2, 8)
    assert refused.value.type == "RayTooSmall"
