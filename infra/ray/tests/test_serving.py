"""The serving job with a stand-in for vLLM: its health, its restarts, its lease, its end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from fake_s3 import FakeS3

from rmr1_ray import serve as job
from rmr1_ray.errors import JobError
from rmr1_ray.hold import Hold
from rmr1_ray.store import Store

STAND_IN = Path(__file__).with_name("stand_in_vllm.py")
KEY = "cd" * 32
ROOT = f"servers/{KEY}/attempt-1"


def eventually(what, probe, seconds=30):
    """Look until the probe finds something; the limit is for tests that hang."""
    until = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.01)


def is_alive(pid):
    """Whether a process runs; one that only waits for its parent to look does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Machine:
    """A node with the stand-in installed, a store with a model, and a job that a thread runs."""

    def __init__(self, tmp_path, monkeypatch):
        self.client = FakeS3()
        self.steering = tmp_path / "stand-in"
        self.work = tmp_path / "work"
        self.steering.mkdir()
        self.work.mkdir()
        monkeypatch.setenv("RMR1_S3_BUCKET", "rmr1")
        monkeypatch.setenv("RMR1_VLLM_COMMAND", f"{sys.executable} {STAND_IN} serve")
        monkeypatch.setenv("STAND_IN_DIR", str(self.steering))
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
        monkeypatch.setattr(job, "POLL_SECONDS", 0.01)
        monkeypatch.setattr("rmr1_ray.hold.LOOK_SECONDS", 0.01)
        monkeypatch.setattr("rmr1_ray.hold.TICK_SECONDS", 0.01)
        # Signals belong to the main thread, which is the tests'.
        monkeypatch.setattr("rmr1_ray.hold.signal.signal", lambda *_: None)
        self.store = Store(self.client)
        files = tmp_path / "model"
        files.mkdir()
        (files / "config.json").write_text("{}")
        (files / "model.safetensors").write_bytes(b"w" * 1000)
        self.model = self.store.put_directory("model", files)
        self.end = []

    def spec(self, **change):
        return {
            "format": "rmr1-serving/1",
            "serverKey": KEY,
            "attempt": 1,
            "model": self.model,
            "name": "rmr1-model",
            "gpus": 0,
            "precision": "float32",
            "leaseSeconds": 60,
            "drainSeconds": 10,
            **change,
        }

    def start(self, **change):
        def run():
            try:
                self.end.append(job.Serving(self.store, job.check_serving(self.spec(**change)), self.work).run())
            except JobError as error:
                self.end.append(error)

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def address(self, least=1):
        """Where it serves, from its n-th start on."""

        def found():
            record = self.store.get_json(f"{ROOT}/address.json") or {}
            return record if record.get("url") and record["start"] >= least else None

        return eventually("an address", found)

    def stop(self):
        self.store.put_json(f"{ROOT}/stop.json", {})

    def ended(self):
        self.thread.join(30)
        assert self.end, "the job has not ended"
        return self.end[0]

    def lines(self, name):
        path = self.steering / name
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


@pytest.fixture
def machine(tmp_path, monkeypatch):
    made = Machine(tmp_path, monkeypatch)
    yield made
    made.stop()
    if hasattr(made, "thread"):
        made.thread.join(30)
    for started in made.lines("started.jsonl"):
        eventually("the end of every server", lambda pid=started["pid"]: not is_alive(pid))


def ask(address, text="Which?", key=None, model="rmr1-model"):
    body = json.dumps({"model": model, "temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": text}]})
    headers = {"authorization": f"Bearer {key or address['key']}", "content-type": "application/json"}
    request = urllib.request.Request(f"{address['url']}/v1/chat/completions", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())["choices"][0]["message"]["content"]


def test_a_model_of_the_store_is_served_under_its_name_until_the_server_is_told_to_stop(machine):
    machine.start(maxModelLen=64)
    address = machine.address()
    assert "[[" in ask(address)
    (started,) = machine.lines("started.jsonl")
    assert started["files"] == ["config.json", "model.safetensors"]
    assert started["arguments"][2:] == [
        "--host=127.0.0.1",
        f"--port={address['url'].rsplit(':', 1)[1]}",
        "--served-model-name=rmr1-model",
        "--tensor-parallel-size=1",
        "--dtype=float32",
        "--generation-config=vllm",
        "--shutdown-timeout=10",
        "--disable-uvicorn-access-log",
        "--max-model-len=64",
    ]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(address, key="somebody else's")
    machine.stop()
    assert machine.ended() == 0
    assert machine.store.get_json(f"{ROOT}/address.json") == {"url": None}


def test_what_runs_when_it_is_told_to_stop_is_answered_first(machine):
    machine.start()
    address = machine.address()
    (machine.steering / "hold").write_text("0")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask(address)))
    asking.start()
    eventually("the question", lambda: machine.lines("taken.jsonl"))
    machine.stop()
    eventually("the withdrawal", lambda: machine.store.get_json(f"{ROOT}/address.json") == {"url": None})
    (machine.steering / "hold").unlink()
    assert machine.ended() == 0
    asking.join(30)
    assert len(answers) == 1


def test_a_server_that_dies_is_started_again_here_with_the_model_it_has(machine, capfd):
    machine.start()
    first = machine.address()
    os.kill(first["pid"], signal.SIGKILL)
    second = machine.address(least=2)
    assert second["pid"] != first["pid"]
    assert "[[" in ask(second)
    assert "ended with code -9" in capfd.readouterr().out


def test_one_that_dies_again_and_again_ends_the_job(machine):
    machine.start()
    for start in range(1, job.RESTARTS + 2):
        os.kill(machine.address(least=start)["pid"], signal.SIGKILL)
    failure = machine.ended()
    assert (failure.type, failure.code) == ("ServerDied", 70)


def test_one_that_never_serves_ends_the_job_at_once(machine):
    (machine.steering / "exit").write_text("3")
    machine.start()
    failure = machine.ended()
    assert "ended with code 3" in str(failure)
    assert failure.code == 70
    assert len(machine.lines("started.jsonl")) == 1


def test_one_that_is_alive_and_does_not_answer_is_started_again(machine, monkeypatch):
    monkeypatch.setattr(job, "UNWELL_SECONDS", 0.1)
    machine.start()
    machine.address()
    (machine.steering / "unwell").write_text("")
    eventually("the withdrawal", lambda: machine.store.get_json(f"{ROOT}/address.json") == {"url": None})
    (machine.steering / "unwell").unlink()
    assert "[[" in ask(machine.address(least=2))


def test_one_that_does_not_become_healthy_in_time_ends_the_job(machine, monkeypatch):
    monkeypatch.setattr(job, "STARTUP_SECONDS", 0.5)
    (machine.steering / "unwell").write_text("")
    machine.start()
    assert "was not healthy within" in str(machine.ended())


def test_a_job_that_is_told_to_stop_before_it_serves_starts_nothing(machine):
    machine.stop()
    machine.start()
    assert machine.ended() == 0
    assert machine.store.get_json(f"{ROOT}/address.json") in (None, {"url": None})


def test_a_lease_that_nobody_renews_ends_the_server(machine):
    machine.start(leaseSeconds=0.3)
    assert machine.ended() == 0


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def held(machine):
    clock = Clock()
    return machine, clock, Hold(machine.store, ROOT, 600, clock)


def test_a_lease_lasts_as_long_as_its_record_changes(held):
    machine, clock, hold = held
    for renewal in range(5):
        machine.store.put_json(f"{ROOT}/hold.json", {"renewals": renewal})
        clock.now += 500
        hold.look()
        assert not hold.over
    clock.now += 601
    hold.look()
    assert hold.reason == "nobody has renewed the lease for 600 s"


def test_a_store_that_is_away_for_a_while_costs_nothing_and_for_a_lease_the_server(held, monkeypatch):
    _, clock, hold = held

    def away(*_, **__):
        raise ConnectionError("refused")

    monkeypatch.setattr(hold._store.client, "head_object", away, raising=False)
    clock.now += 599
    hold.look()
    assert not hold.over
    clock.now += 2
    hold.look()
    assert hold.over


def test_the_first_reason_stands(held):
    machine, clock, hold = held
    machine.stop()
    hold.look()
    clock.now += 1000
    hold.look()
    assert hold.reason == "told to stop"


def test_vllm_that_is_not_installed_is_named(machine, monkeypatch):
    monkeypatch.setenv("RMR1_VLLM_COMMAND", "no-such-vllm serve")
    machine.start()
    failure = machine.ended()
    assert failure.code == 64
    assert "'no-such-vllm' is not on the node's PATH" in str(failure)


@pytest.mark.parametrize(
    ("change", "said"), [({"gpus": -1}, "gpus"), ({"format": "rmr1-serving/2"}, "format"), ({"lease": 1}, "lease")]
)
def test_a_specification_that_is_wrong_is_refused_by_its_field(machine, change, said):
    with pytest.raises(JobError, match=said) as refused:
        job.check_serving(machine.spec(**change))
    assert refused.value.code == 64


def launch(machine, tmp_path):
    """The job as Ray starts it, with a store of its own below a directory."""
    program = tmp_path / "launch.py"
    program.write_text(
        "import sys, pickle\n"
        f"sys.path[:0] = [{str(STAND_IN.parent)!r}, {str(STAND_IN.parents[1])!r}]\n"
        "from fake_s3 import FakeS3\n"
        "from rmr1_ray import serve, store\n"
        "client = FakeS3()\n"
        "client.objects = pickle.loads(sys.stdin.buffer.read())\n"
        "store.boto3.client = lambda *_, **__: client\n"
        "serve.leave(serve.main())\n"
    )
    import pickle

    machine.store.put_json("spec", machine.spec())
    environment = {**os.environ, "RMR1_SPEC": "spec"}
    process = subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False, env=environment)
    process.stdin.write(pickle.dumps(machine.client.objects))
    process.stdin.close()
    return process


def said_by(process, word):
    for line in process.stdout:
        if word in line.decode():
            return True
    return False


def test_sigterm_ends_server_and_job_with_the_code_of_a_preemption(machine, tmp_path):
    process = launch(machine, tmp_path)
    assert said_by(process, "serving at")
    process.terminate()
    assert process.wait(30) == 75
    process.stdout.close()


def test_a_job_that_is_killed_takes_its_server_with_it(machine, tmp_path):
    process = launch(machine, tmp_path)
    assert said_by(process, "serving at")
    (started,) = machine.lines("started.jsonl")
    process.kill()
    process.wait(30)
    process.stdout.close()
    eventually("the end of the server", lambda: not is_alive(started["pid"]))
