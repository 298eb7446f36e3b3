"""The correctness reward, the same as `judge/reward.ts`; both are held to one file of golden vectors."""

from __future__ import annotations

import re

REWARD_WINDOW = 80

# White space as JavaScript's \s has it; Python's own differs in a few characters.
_SPACE = "[\\t\\n\\v\\f\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff]*"
_ANSWER = {gold: re.compile(f"<answer>{_SPACE}\\[\\[{gold}\\]\\]{_SPACE}</answer>") for gold in "AB"}


def correctness_reward(text: str, gold: str) -> int:
    """+1 if the last 80 characters hold the gold answer tag and do not name the other answer, −1 otherwise."""
    end = text[-REWARD_WINDOW:]
    other = "B" if gold == "A" else "A"
    right = _ANSWER[gold].search(end) is not None and f"[[{other}]]" not in end
    return 1 if right else -1


def compute_score(data_source: str, solution_str: str, ground_truth: str, extra_info: object = None) -> float:
    """The same reward in the form that verl calls."""
    return float(correctness_reward(solution_str, ground_truth))
