"""Rewards from a judge that `rmr1 serve` serves, for TRL's GRPOTrainer and verl. Standard library only.

    from rmr1_reward import JudgeClient, trl_reward
    trainer = GRPOTrainer(..., reward_funcs=trl_reward(JudgeClient("http://127.0.0.1:8790")))

All completions of one prompt go to the judge as a group, so a judge of pairs gives them scores too: the share of
comparisons that each wins against the others (0 to 1), every comparison in both orders.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Sequence

__all__ = ["JudgeClient", "JudgeError", "trl_reward", "compute_score", "compute_score_batched"]

RETRIED = (429, 502, 503, 504)


class JudgeError(RuntimeError):
    """The judge refused a request, or could not be reached in time."""


class JudgeClient:
    """One judging server. Waits where it is full; safe to use from several threads.

    url: address of the server. token: bearer token, default RMR1_SERVE_TOKEN. timeout: seconds for one request with its
    repetitions. method: how a group is scored ("round-robin", "knockout", "pointwise"). orders: "both", or "one" for half
    the cost. concurrency: requests at once.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout: float = 600.0,
        method: str = "round-robin",
        orders: str = "both",
        concurrency: int = 8,
    ) -> None:
        self.url = url.rstrip("/") + "/judge"
        self.token = token if token is not None else os.environ.get("RMR1_SERVE_TOKEN")
        self.timeout = timeout
        self.method = method
        self.orders = orders
        self.concurrency = concurrency

    def judge(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request of `POST /judge`; returns its answer. Raises JudgeError."""
        deadline = time.monotonic() + self.timeout
        body = json.dumps(request).encode("utf-8")
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        pause = 0.5
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise JudgeError(f"the judge at {self.url} did not answer within {self.timeout} s")
            call = urllib.request.Request(self.url, data=body, headers=headers, method="POST")
            try:
                with urllib.request.urlopen(call, timeout=left) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                said = error.read().decode("utf-8", "replace")[:500]
                if error.code not in RETRIED:
                    raise JudgeError(f"the judge at {self.url} answered {error.code}: {said}") from error
                wait = _seconds(error.headers.get("retry-after"))
                reason: Exception = error
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                wait, reason = None, error
            wait = pause if wait is None else wait
            pause = min(10.0, 2 * pause)
            if time.monotonic() + wait >= deadline:
                raise JudgeError(f"the judge at {self.url} is not available: {reason}") from reason
            time.sleep(wait)

    def score(self, prompt: Any, answer: str) -> float:
        """Score of one answer without a reference; a judge of pairs compares it with its anchors."""
        return float(self.judge({**_about(prompt), "answer": answer})["score"])

    def score_group(self, prompt: Any, answers: Sequence[str]) -> list[float]:
        """Scores of all answers to one prompt, in their order. Equal answers get equal scores."""
        distinct = list(dict.fromkeys(answers))
        if len(distinct) == 1:
            return [0.5] * len(answers) if len(answers) > 1 else [self.score(prompt, answers[0])]
        request = {**_about(prompt), "answers": distinct, "method": self.method}
        if self.method != "pointwise":
            request["orders"] = self.orders
        scores = dict(zip(distinct, self.judge(request)["scores"]))
        return [float(scores[answer]) for answer in answers]

    def score_all(self, prompts: Sequence[Any], answers: Sequence[str]) -> list[float]:
        """Scores of answers[i] to prompts[i]; answers to equal prompts are judged as one group."""
        groups: dict[str, list[int]] = {}
        for index, prompt in enumerate(prompts):
            groups.setdefault(json.dumps(prompt, sort_keys=True), []).append(index)
        rewards = [0.0] * len(answers)

        def run(indices: list[int]) -> None:
            scores = self.score_group(prompts[indices[0]], [answers[i] for i in indices])
            for index, score in zip(indices, scores):
                rewards[index] = score

        with ThreadPoolExecutor(max_workers=max(1, self.concurrency)) as pool:
            for done in [pool.submit(run, indices) for indices in groups.values()]:
                done.result()
        return rewards


def trl_reward(client: JudgeClient, name: str = "rmr1_judge") -> Callable[..., list[float]]:
    """A reward function for TRL's GRPOTrainer and RLOOTrainer; takes text and conversational data sets."""

    def reward(prompts: Sequence[Any], completions: Sequence[Any], **_: Any) -> list[float]:
        return client.score_all(list(prompts), [_text(completion) for completion in completions])

    # TRL names its metrics after the function.
    reward.__name__ = name
    return reward


def compute_score(
    data_source: str, solution_str: str, ground_truth: Any = None, extra_info: dict[str, Any] | None = None, **_: Any
) -> float:
    """verl, `custom_reward_function.path=…/rmr1_reward.py`, `.name=compute_score`: one answer by itself.

    The prompt is taken from extra_info["prompt"] or extra_info["question"]; the server from RMR1_JUDGE_URL.
    """
    return _from_environment().score(_verl_prompt(extra_info), solution_str)


def compute_score_batched(
    data_sources: Sequence[str],
    solution_strs: Sequence[str],
    ground_truths: Sequence[Any],
    extra_infos: Sequence[dict[str, Any] | None],
    **_: Any,
) -> list[float]:
    """verl with `reward_model.reward_manager=batch`, `.name=compute_score_batched`: rollouts of a prompt as a group."""
    return _from_environment().score_all([_verl_prompt(info) for info in extra_infos], list(solution_strs))


def _from_environment() -> JudgeClient:
    url = os.environ.get("RMR1_JUDGE_URL")
    if not url:
        raise JudgeError("set RMR1_JUDGE_URL to the address of `rmr1 serve`, such as http://127.0.0.1:8790")
    return JudgeClient(url)


def _verl_prompt(extra_info: dict[str, Any] | None) -> Any:
    info = extra_info or {}
    for field in ("prompt", "question"):
        if info.get(field):
            return info[field]
    raise JudgeError('extra_info holds neither "prompt" nor "question": the judge needs what the answer replies to')


def _about(prompt: Any) -> dict[str, Any]:
    """A prompt as text, or a conversation as messages."""
    if isinstance(prompt, str):
        return {"prompt": prompt}
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in prompt]
    return {"conversation": turns}


def _text(completion: Any) -> str:
    """The text of a completion: itself, or the content of its last message."""
    if isinstance(completion, str):
        return completion
    return str(completion[-1].get("content") or "")


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None
