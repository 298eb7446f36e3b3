"""Checkpoints and records without a trainer."""

import json
import re

import pytest
from fake_s3 import FakeS3
from tiny import KEY, new_store

from rmr1_ray.__main__ import main
from rmr1_ray.errors import JobError, as_job_error
from rmr1_ray.spec import check_packages, check_spec
from rmr1_ray.store import Checkpoints


def fence(client, attempt, *froms):
    claims = [{"attempt": i + 1, "from": None if step is None else {"step": step, "attempt": i}} for i, step in enumerate(froms)]
    client.objects[f"checkpoints/{KEY}/fence.json"] = json.dumps({"attempt": attempt, "claims": claims}).encode()


@pytest.fixture
def stage(tmp_path):
    client = FakeS3()
    fence(client, 1, None)
    (tmp_path / "made" / "deep").mkdir(parents=True)
    (tmp_path / "made" / "deep" / "weights").write_bytes(b"w" * 1000)
    (tmp_path / "made" / "state").write_text("s")
    checkpoints = Checkpoints(new_store(client), KEY, 1)
    for step in (2, 4):
        checkpoints.save(step, tmp_path / "made")
    return client, checkpoints, tmp_path


def root(step, attempt=1):
    return f"checkpoints/{KEY}/step-{step:08d}/attempt-{attempt}/"


def test_the_newest_comes_back_whole(stage):
    _, checkpoints, tmp = stage
    assert checkpoints.fetch(tmp / "back") == 4
    assert (tmp / "back" / "deep" / "weights").read_bytes() == b"w" * 1000


@pytest.mark.parametrize("harm", ["truncated", "missing", "no manifest", "broken manifest"])
def test_a_checkpoint_that_is_not_whole_is_passed_over(stage, harm):
    client, checkpoints, tmp = stage
    if harm == "truncated":
        client.objects[root(4) + "deep/weights"] = b"w" * 999
    elif harm == "missing":
        del client.objects[root(4) + "state"]
    elif harm == "no manifest":
        del client.objects[root(4) + "manifest.json"]
    else:
        client.objects[root(4) + "manifest.json"] = b'{"files": ['
    assert checkpoints.fetch(tmp / "back") == 2
    client.objects = {key: body for key, body in client.objects.items() if "step-" not in key}
    assert checkpoints.fetch(tmp / "back") is None


def test_a_later_attempt_shuts_this_one_out(stage):
    client, checkpoints, tmp = stage
    fence(client, 2, None, 4)
    before = dict(client.objects)
    with pytest.raises(JobError, match="attempt 2 has taken over") as refused:
        checkpoints.save(6, tmp / "made")
    assert refused.value.type == "Fenced"
    assert client.objects == before


def test_a_fence_that_moves_during_the_upload_leaves_no_manifest(stage):
    client, checkpoints, tmp = stage

    def move(key):
        if key.endswith("deep/weights"):
            fence(client, 2, None, 4)

    client.before_write = move
    with pytest.raises(JobError):
        checkpoints.save(6, tmp / "made")
    assert root(6) + "manifest.json" not in client.objects


def test_what_a_fenced_attempt_squeezed_in_is_not_on_the_line(stage):
    client, checkpoints, tmp = stage
    checkpoints.save(6, tmp / "made")
    fence(client, 2, None, 4)
    assert Checkpoints(checkpoints.store, KEY, 2).fetch(tmp / "back") == 4


def test_paths_stay_inside(stage):
    client, checkpoints, tmp = stage
    key = root(4) + "manifest.json"
    client.objects[key] = re.sub(rb'"path":"state"', b'"path":"../../state"', client.objects[key])
    assert checkpoints.fetch(tmp / "back") == 2
    assert not (tmp / "state").exists()


def test_versions_that_do_not_fit_are_named():
    with pytest.raises(JobError, match=r"boto3 [\d.]+ \(needs 0\.1\), nonesuch none \(needs 1\)") as refused:
        check_packages({"boto3": "0.1", "nonesuch": "1"})
    assert refused.value.code == 64


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "kind None"), ({"kind": "dpo"}, "'dpo'"), ({"kind": "sft", "format": "rmr1-training/2"}, "format|required")],
)
def test_a_specification_of_another_kind_is_refused(value, said):
    with pytest.raises(JobError, match=said):
        check_spec(value)


def test_a_full_disk_has_a_name():
    error = as_job_error(OSError(28, "No space left on device", "/scratch/x"))
    assert (error.type, error.code) == ("DiskFull", 70)
    assert "/scratch/x" in str(error)


def test_every_end_goes_through_the_exit_table(monkeypatch, capsys):
    client = FakeS3()
    client.objects["spec"] = b'{"kind": "dpo"}'
    monkeypatch.setattr("boto3.client", lambda *_, **__: client)
    monkeypatch.setenv("RMR1_SPEC", "spec")
    assert main() == 64
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("RMR1_EVENT ")]
    assert json.loads(said[-1][len("RMR1_EVENT ") :])["error"]["type"] == "BadJob"
