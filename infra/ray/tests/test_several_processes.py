"""Processes that train together, as those of several nodes do: here they are two nodes on this machine, without GPUs."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from fake_s3 import DiskObjects, FakeS3
from safetensors.torch import load
from tiny import KEY, claim, grpo_rows, metrics, new_run, new_stage, newest, result, reward_rows, sft_rows

from rmr1_ray.errors import JobError
from rmr1_ray.launch import Ends, supervise
from rmr1_ray.node import LocalNode
from rmr1_ray.reward_model import run_reward
from rmr1_ray.sft import run_sft

torch.set_num_threads(1)
RANK = Path(__file__).with_name("rank.py")
ROWS = {"sft": lambda: sft_rows(11), "reward": lambda: reward_rows(11), "grpo": grpo_rows}
STEP_2 = f"checkpoints/{KEY}/step-00000002/attempt-1/manifest.json"


class Stage:
    """A stage for two nodes, and its store."""

    def __init__(self, tmp: Path, kind: str, monkeypatch) -> None:
        self.client = FakeS3(DiskObjects(tmp / "store"))
        self.spec = new_stage(tmp, kind, ROWS[kind](), self.client, nodes=2, samplesPerDevice=1)
        self.crash_points = tmp / "crash-points"
        self.crash_points.mkdir()
        monkeypatch.setenv("TEST_STORE", str(tmp / "store"))
        monkeypatch.setenv("RMR1_CRASH_POINTS", str(self.crash_points))
        monkeypatch.setenv("RMR1_SPEC", "spec")

    def run(self, attempt: int) -> int:
        claim(self.client, attempt)
        spec = {**self.spec, "attempt": attempt}
        self.client.objects["spec"] = json.dumps(spec).encode()
        return supervise([LocalNode([sys.executable, str(RANK)]) for _ in range(2)], spec)

    def hold_at(self, point: str) -> None:
        (self.crash_points / "plan.json").write_text(json.dumps({"id": "one", "point": point, "nth": 1}))

    def held(self) -> int:
        reached = self.crash_points / "one.reached"
        while not (reached.exists() and STEP_2 in self.client.objects):
            time.sleep(0.05)
        (self.crash_points / "plan.json").unlink()
        return json.loads(reached.read_text())["pid"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same stages in one process."""
    made = {}
    for kind, job in (("sft", run_sft), ("reward", run_reward)):
        tmp, client = tmp_path_factory.mktemp(kind), FakeS3()
        assert job(new_run(client, new_stage(tmp, kind, ROWS[kind](), client), tmp / "work"))
        made[kind] = client
    return made


def weights(client, attempt=1):
    sha256 = result(client, attempt)["outputs"]["model"]["sha256"]
    listing = json.loads(client.objects[f"objects/{sha256[:2]}/{sha256}"])
    [sha256] = [file["sha256"] for file in listing["files"] if file["path"] == "model.safetensors"]
    return load(client.objects[f"objects/{sha256[:2]}/{sha256}"])


def assert_same(client, attempt, reference):
    """To float accuracy: sums are taken in another order."""
    for ours, theirs in zip(metrics(client, attempt), metrics(reference), strict=True):
        for name, value in theirs.items():
            if name != "seconds":
                assert ours[name] == pytest.approx(value, rel=1e-4, abs=1e-6), (theirs["step"], name)
    whole, parts = weights(reference), weights(client, attempt)
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        assert torch.allclose(parts[name], tensor, atol=2e-5), name


def test_killing_one_ends_the_job_and_the_next_attempt_resumes_on_as_many_nodes_or_fewer(
    tmp_path, monkeypatch, capsys, alone
):
    stage = Stage(tmp_path, "sft", monkeypatch)
    stage.hold_at("^ray.step-3$")
    killer = threading.Thread(target=lambda: os.kill(stage.held(), signal.SIGKILL))
    killer.start()
    assert stage.run(1) == 70
    killer.join()
    assert "ended by signal 9" in capsys.readouterr().out
    assert STEP_2 in stage.client.objects
    # Both processes' random states are part of the checkpoint.
    assert {key.rsplit("/", 1)[1] for key in stage.client.objects if "rng_state" in key} == {"rng_state_0.pth", "rng_state_1.pth"}

    store = {key: body for key, body in stage.client.objects.items()}
    assert stage.run(2) == 0
    assert '"resumedAt":2' in capsys.readouterr().out
    assert_same(stage.client, 2, alone["sft"])

    fewer = FakeS3(store)
    run = new_run(fewer, {**stage.spec, "nodes": 1, "samplesPerDevice": 2}, tmp_path / "fewer", attempt=2)
    assert run.resumed_at == 2
    assert run_sft(run)
    assert_same(fewer, 2, alone["sft"])


def test_a_reward_model_takes_the_losses_of_one_process(tmp_path, monkeypatch, alone):
    stage = Stage(tmp_path, "reward", monkeypatch)
    assert stage.run(1) == 0
    assert_same(stage.client, 1, alone["reward"])


def test_rollouts_are_drawn_by_both_and_a_stop_is_obeyed_by_both(tmp_path, monkeypatch, capsys):
    stage = Stage(tmp_path, "grpo", monkeypatch)
    stop = f"checkpoints/{KEY}/ray/attempt-1/stop.json"
    stage.client.objects[stop] = b"{}"
    assert stage.run(1) == 75
    steps = [line for line in capsys.readouterr().out.splitlines() if '"progress"' in line]
    assert 1 <= len(steps) < 4
    assert newest(stage.client)["step"] == len(steps)


def said(rank, type, message="m"):
    event = json.dumps({"type": "failed", "error": {"type": type, "message": message}})
    return (rank, f"RMR1_EVENT {event}")


@pytest.mark.parametrize(
    ("lines", "codes", "code", "type", "message"),
    [
        # One found the data wrong, the other lost touch with it first.
        ([said(0, "Failed", "connection closed"), said(1, "BadData", "line 3")], {0: 70, 1: 65}, 65, "BadData", "line 3"),
        ([said(0, "Failed", "connection closed")], {0: 70, 1: -9}, 70, "Failed", "process 1, on node 2, ended by signal 9"),
        ([said(1, "Failed", "out of memory")], {1: 70}, 70, "Failed", "out of memory"),
        ([], {0: 0, 1: 3}, 70, "Failed", "process 1, on node 2, ended with exit code 3"),
    ],
)
def test_the_cause_of_the_failures_is_told_and_not_what_followed_from_it(capsys, lines, codes, code, type, message):
    ends = Ends(1)
    ends.hear(lines, codes)
    assert ends.conclude() == code
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line.removeprefix("RMR1_EVENT "))["error"] == {"type": type, "message": message}


@pytest.mark.parametrize(("codes", "code"), [({0: 0, 1: 0}, 0), ({0: 75, 1: 75}, 75)])
def test_common_ends(codes, code):
    ends = Ends(1)
    ends.hear([], codes)
    assert ends.conclude() == code


def test_lines_of_the_first_process_are_the_jobs_own(capsys):
    Ends(2).hear([(0, 'RMR1_EVENT {"type":"alive","doing":"x"}'), (3, "hello")], {})
    assert capsys.readouterr().out.splitlines() == ['RMR1_EVENT {"type":"alive","doing":"x"}', "[process 3] hello"]


def test_processes_end_with_whoever_started_them(tmp_path):
    script = tmp_path / "waits.py"
    script.write_text("from rmr1_ray.node import end_with_launcher\nimport time\nend_with_launcher()\ntime.sleep(600)\n")
    launcher = f"import sys, time\nfrom rmr1_ray.node import LocalNode\nnode = LocalNode([sys.executable, {str(script)!r}])\n"
    launcher += "node.start([0], 1, node.endpoint())\nprint(node._processes[0].pid, flush=True)\ntime.sleep(600)\n"
    import subprocess

    process = subprocess.Popen(
        [sys.executable, "-c", launcher],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "TMPDIR": str(tmp_path)},
    )
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
        time.sleep(0.05)


def test_a_cluster_that_is_too_small_is_told_with_what_it_has(monkeypatch):
    from rmr1_ray.placement import too_small

    spec = {"nodes": 4, "gpus": 8, "cpus": 16}
    large, small = {"GPU": 8, "CPU": 32}, {"CPU": 64}
    nodes = [{"Alive": True, "Resources": large}, {"Alive": True, "Resources": small}, {"Alive": False, "Resources": large}]
    error = too_small(spec, nodes)
    assert (error.type, error.code) == ("RayTooSmall", 70)
    assert "4 nodes with 8 GPUs and 16 CPUs each, of which the Ray cluster has 1: add nodes, or lower ray.nodes" in str(error)
    assert too_small({**spec, "nodes": 1}, nodes).type == "Failed"


def test_nodes_that_found_different_checkpoints_do_not_train_together(monkeypatch):
    from types import SimpleNamespace

    from rmr1_ray import processes

    monkeypatch.setattr(processes, "_largest", lambda value, _: max(value, -2 if value < 0 else 4))
    with pytest.raises(JobError, match="updates 2 and 4"):
        processes.require_same_step(4, SimpleNamespace(world_size=2))


