"""What a node may lack. Disks are full here because what is written goes to /dev/full."""

import json
from pathlib import Path

import pytest
import torch
from fake_s3 import FakeS3
from tiny import metrics, new_run, new_stage, newest, sft_rows

from rmr1_ray.__main__ import main
from rmr1_ray.errors import as_job_error
from rmr1_ray.sft import run_sft

torch.set_num_threads(1)
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


@full
@pytest.mark.parametrize("name", ["optimizer.pt", "trainer_state.json"])
def test_a_checkpoint_for_which_there_is_no_room_says_so_and_the_next_attempt_resumes(tmp_path, name):
    client = FakeS3()
    spec = new_stage(tmp_path, "sft", sft_rows(), client)
    run = new_run(client, spec, tmp_path / "work")
    # The checkpoint of step 2 is stored, that of step 4 has no room.
    (run.output / "checkpoint-4").mkdir()
    (run.output / "checkpoint-4" / name).symlink_to("/dev/full")
    with pytest.raises(BaseException) as refused:
        run_sft(run)
    error = as_job_error(refused.value)
    assert (error.type, error.code) == ("DiskFull", 70)
    assert "free some, or add nodes with larger disks" in str(error)
    assert newest(client)["step"] == 2
    if name == "optimizer.pt":
        again = new_run(client, spec, tmp_path / "again", attempt=2)
        assert again.resumed_at == 2
        assert run_sft(again)
        assert [line["step"] for line in metrics(client, 2)] == [1, 2, 3, 4, 5, 6]


def end_of(client, spec, monkeypatch, capsys):
    """The job as Ray starts it: its exit code, and the failure it told."""
    client.objects["spec"] = json.dumps(spec).encode()
    monkeypatch.setattr("boto3.client", lambda *_, **__: client)
    monkeypatch.setenv("RMR1_SPEC", "spec")
    code = main()
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("RMR1_EVENT ")]
    event = json.loads(said[-1].removeprefix("RMR1_EVENT "))
    assert event["type"] == "failed"
    return code, event["error"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"packages": {"trl": "0.9"}}, "install infra/ray/requirements.txt on its nodes"),
        ({"gpus": 1}, "the job reserves 1 GPUs, but torch sees 0 on its node"),
        ({"batchSize": 3}, "change ray.samplesPerDevice or the batch"),
    ],
)
def test_a_node_that_does_not_fit_is_never_tried_again(tmp_path, monkeypatch, capsys, changes, message):
    client = FakeS3()
    spec = new_stage(tmp_path, "sft", sft_rows(), client, **changes)
    code, error = end_of(client, spec, monkeypatch, capsys)
    assert (code, error["type"]) == (64, "BadJob")
    assert message in error["message"]


def test_a_model_or_data_that_is_gone_is_named(tmp_path, monkeypatch, capsys):
    client = FakeS3()
    spec = new_stage(tmp_path, "sft", sft_rows(), client)
    del client.objects[f"objects/{spec['data']['sha256'][:2]}/{spec['data']['sha256']}"]
    code, error = end_of(client, spec, monkeypatch, capsys)
    assert (code, error["type"]) == (70, "CorruptArtifact")
    assert "is missing" in error["message"]
