"""TRL's trainers on a tiny model: what they leave, and that resuming changes nothing."""

import json

import pytest
import torch
from fake_s3 import FakeS3
from safetensors.torch import load
from tiny import KEY, grpo_rows, metrics, new_run, new_stage, newest, result, reward_rows, sft_rows, untimed

from rmr1_ray.errors import JobError
from rmr1_ray.grpo import run_grpo
from rmr1_ray.reward_model import run_reward
from rmr1_ray.sft import run_sft

torch.set_num_threads(1)
KINDS = {
    "sft": (run_sft, sft_rows, 6),
    "grpo": (run_grpo, grpo_rows, 4),
    "reward": (run_reward, reward_rows, 6),
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """An undisturbed run of each kind."""
    made = {}
    for kind, (job, rows, _) in KINDS.items():
        tmp, client = tmp_path_factory.mktemp(kind), FakeS3()
        spec = new_stage(tmp, kind, rows(), client)
        assert job(new_run(client, spec, tmp / "work"))
        made[kind] = client
    return made


def model_files(client, attempt=1):
    sha256 = result(client, attempt)["outputs"]["model"]["sha256"]
    listing = json.loads(client.objects[f"objects/{sha256[:2]}/{sha256}"])
    return {file["path"]: client.objects[f"objects/{file['sha256'][:2]}/{file['sha256']}"] for file in listing["files"]}


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_is_recorded_and_the_result_comes_last(reference, kind):
    client, total = reference[kind], KINDS[kind][2]
    assert result(client)["step"] == result(client)["totalSteps"] == total
    assert [line["step"] for line in metrics(client)] == list(range(1, total + 1))
    assert client.writes[-1].endswith("result.json")
    # Parts first, manifest last.
    for key in (key for key in client.writes if key.endswith("/manifest.json")):
        root = key[: -len("manifest.json")]
        assert max(i for i, each in enumerate(client.writes) if each.startswith(root)) == client.writes.index(key)
    assert newest(client)["step"] == total - 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_keeps_the_files_of_its_source(reference, kind, tmp_path):
    files = model_files(reference[kind])
    assert json.loads(files["tokenizer_config.json"])["chat_template"] == "kept as it is"
    weights = load(files["model.safetensors"])
    assert "lm_head.weight" not in weights
    assert weights["model.embed_tokens.weight"].dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed_is_the_same_to_the_bit(reference, kind, tmp_path):
    job, rows, _ = KINDS[kind]
    client = FakeS3()
    spec = new_stage(tmp_path, kind, rows(), client)

    class Killed(BaseException):
        pass

    def kill(key):
        # The second checkpoint is cut off before its manifest.
        if f"step-{3 if kind == 'grpo' else 4:08d}" in key or key.endswith("result.json"):
            raise Killed()

    client.before_write = kill
    with pytest.raises(Killed):
        job(new_run(client, spec, tmp_path / "first"))
    assert newest(client)["step"] == 2
    client.before_write = lambda key: None
    run = new_run(client, spec, tmp_path / "second", attempt=2)
    assert run.resumed_at == 2
    assert job(run)
    assert untimed(metrics(client, 2)) == untimed(metrics(reference[kind]))
    assert model_files(client, 2)["model.safetensors"] == model_files(reference[kind])["model.safetensors"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_stores_a_checkpoint_and_the_rest_gives_the_same_model(reference, kind, tmp_path):
    job, rows, _ = KINDS[kind]
    client = FakeS3()
    spec = new_stage(tmp_path, kind, rows(), client, checkpointEverySteps=100)
    client.objects[f"checkpoints/{KEY}/ray/attempt-1/stop.json"] = b"{}"
    run = new_run(client, spec, tmp_path / "first")
    assert job(run) is False
    stopped = newest(client)["step"]
    assert 1 <= stopped < KINDS[kind][2]
    assert job(new_run(client, spec, tmp_path / "second", attempt=2))
    assert model_files(client, 2)["model.safetensors"] == model_files(reference[kind])["model.safetensors"]


def test_only_completions_count_and_no_token_is_added(tmp_path):
    from rmr1_ray.data import encode_sft
    from rmr1_ray.model import load_tokenizer

    new_stage(tmp_path, "sft", sft_rows(), FakeS3())
    tokenizer = load_tokenizer(tmp_path / "source")
    rows = [{"id": "a", "prompt": "w0 w1", "completion": "w2 [[A]]"}]
    assert encode_sft(rows, tokenizer, 9) == [{"input_ids": [8, 9, 10, 6, 1], "completion_mask": [0, 0, 1, 1, 1]}]
    # A prompt of a rollout is tokenised as TRL does it: nothing before it either.
    assert tokenizer(text=["w0 w1"])["input_ids"] == [[8, 9]]


def test_the_reward_of_a_rollout_is_the_correctness_of_its_text(reference):
    sha256 = result(reference["grpo"])["outputs"]["rollouts"]["sha256"]
    lines = reference["grpo"].objects[f"objects/{sha256[:2]}/{sha256}"].decode().splitlines()
    rollouts = [json.loads(line) for line in lines]
    assert {rollout["step"] for rollout in rollouts} == {1, 2, 4}
    assert all(rollout["reward"] in (1, -1) for rollout in rollouts)


@pytest.mark.parametrize(
    ("kind", "rows", "changes", "said"),
    [
        ("sft", [{"id": "x", "prompt": "w1", "completion": " "}], {}, "x: completion is empty"),
        ("sft", sft_rows(), {"maxLength": 4}, "more than maxLength 4"),
        ("sft", sft_rows(), {"batchSize": 3}, "change ray.samplesPerDevice"),
        ("sft", sft_rows(), {"gpus": 2}, "reserves 2 GPUs, but torch sees 0"),
        ("reward", [{"id": "x", "prompt": "", "chosen": "", "rejected": "w1"}], {}, "x: chosen: prompt and answer are empty"),
        ("reward", reward_rows(), {"maxLength": 5}, "r0: rejected: 6 tokens are more than maxLength 5"),
        ("grpo", [{"id": "x", "prompt": "w1", "gold": "C"}], {}, "gold is 'C'"),
        ("grpo", grpo_rows(), {"maxPromptTokens": 1}, "the prompt has 2 tokens"),
    ],
)
def test_what_cannot_work_is_refused_by_name(tmp_path, kind, rows, changes, said):
    client = FakeS3()
    spec = new_stage(tmp_path, kind, rows, client, **changes)
    with pytest.raises(JobError, match=said) as refused:
        KINDS[kind][0](new_run(client, spec, tmp_path / "work"))
    assert refused.value.code in (64, 65)


def test_a_reward_that_raises_is_never_retried(tmp_path, monkeypatch):
    def broken(text, gold):
        raise ValueError("no verdict today")

    monkeypatch.setattr("rmr1_ray.grpo.correctness_reward", broken)
    client = FakeS3()
    spec = new_stage(tmp_path, "grpo", grpo_rows(), client)
    with pytest.raises(JobError, match="ValueError: no verdict today") as refused:
        run_grpo(new_run(client, spec, tmp_path / "work"))
    assert refused.value.code == 65
