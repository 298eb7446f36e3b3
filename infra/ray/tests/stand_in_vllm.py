"""A small OpenAI-compatible server that takes vLLM's command line: what a test has in place of vLLM.

`STAND_IN_DIR` is a directory by which a test steers it:
  exit       its content is the code with which the server ends at once
  unwell     while it exists, GET /health answers 503
  hold       its content is a number: after so many answers, further ones wait until the file is gone
and in which it writes a line to `started.jsonl` for each start, to `taken.jsonl` for each question, and to `asked.jsonl`
for each answer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STEERING = Path(os.environ["STAND_IN_DIR"])
KEY = os.environ["VLLM_API_KEY"]
lock = threading.Lock()
idle = threading.Condition()
under_way = 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("model")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--generation-config", default="auto")
    parser.add_argument("--shutdown-timeout", type=int, default=0)
    parser.add_argument("--max-model-len", type=int)
    parser.add_argument("--disable-uvicorn-access-log", action="store_true")
    return parser.parse_args()


def note(name: str, value: object) -> None:
    with lock, open(STEERING / name, "a", encoding="utf-8") as file:
        file.write(json.dumps(value) + "\n")


def may_answer(answer: object) -> bool:
    """Whether one more answer may be given; it is noted then, so that a held server gives exactly as many as it may."""
    with lock:
        path = STEERING / "asked.jsonl"
        given = len(path.read_text("utf-8").splitlines()) if path.exists() else 0
        try:
            if given >= int((STEERING / "hold").read_text("utf-8")):
                return False
        except (OSError, ValueError):
            pass
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(answer) + "\n")
        return True


class Handler(BaseHTTPRequestHandler):
    options: argparse.Namespace

    def do_GET(self) -> None:
        if self.path == "/health":
            self.reply(503 if (STEERING / "unwell").exists() else 200, {})
        elif self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": [{"id": self.options.served_model_name, "object": "model"}]})
        else:
            self.reply(404, {"error": {"message": self.path}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers.get("authorization") != f"Bearer {KEY}":
            return self.reply(401, {"error": {"message": "Unauthorized"}})
        if self.path != "/v1/chat/completions" or body["model"] != self.options.served_model_name:
            return self.reply(404, {"error": {"message": f"no model {body['model']}"}})
        prompt = json.dumps(body["messages"], sort_keys=True)
        if self.options.max_model_len and len(prompt.split()) + body["max_tokens"] > self.options.max_model_len:
            return self.reply(400, {"error": {"message": "This model's maximum context length is exceeded"}})
        global under_way
        with idle:
            under_way += 1
        try:
            note("taken.jsonl", {"pid": os.getpid()})
            seed = f"{body.get('seed')} {prompt}" if body["temperature"] > 0 else prompt
            digest = hashlib.sha256(seed.encode()).hexdigest()
            verdict = "A" if int(digest, 16) % 2 else "B"
            while not may_answer({"question": digest, "pid": os.getpid()}):
                time.sleep(0.01)
            self.reply(
                200,
                {
                    "id": digest,
                    "object": "chat.completion",
                    "created": 0,
                    "model": body["model"],
                    "choices": [
                        {
                            "index": 0,
                            "finish_reason": "stop",
                            "message": {"role": "assistant", "content": f"<answer>[[{verdict}]]</answer>"},
                        }
                    ],
                    "usage": {"prompt_tokens": len(prompt.split()), "completion_tokens": 3},
                },
            )
        finally:
            with idle:
                under_way -= 1
                idle.notify_all()

    def reply(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


def main() -> int:
    options = arguments()
    note("started.jsonl", {"pid": os.getpid(), "arguments": sys.argv[1:], "files": sorted(os.listdir(options.model))})
    if (STEERING / "exit").exists():
        return int((STEERING / "exit").read_text("utf-8"))
    Handler.options = options
    server = ThreadingHTTPServer((options.host, options.port), Handler)
    server.daemon_threads = True
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.wait()
    # Nothing new is taken; what runs has its time.
    server.shutdown()
    server.server_close()
    with idle:
        idle.wait_for(lambda: under_way == 0, options.shutdown_timeout)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
