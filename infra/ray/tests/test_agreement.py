"""What Python computes anew must be what TypeScript computes: rewards, orders, learning rates."""

import json
from pathlib import Path

import pytest

from rmr1_ray.model import HEAD, HEAD_STD, normal_deviates
from rmr1_ray.order import EpochSampler, philox, shuffled_order, visits
from rmr1_ray.reward import compute_score, correctness_reward
from rmr1_ray.schedule import learning_rate


def test_rewards_of_thousands_of_texts():
    lines = (Path(__file__).parent / "golden" / "rewards.jsonl").read_text("utf-8").split("\n")
    vectors = [json.loads(line) for line in lines if line]
    assert len(vectors) == 3000
    for text, a, b in vectors:
        assert (correctness_reward(text, "A"), correctness_reward(text, "B")) == (a, b), text
        assert compute_score("rm", text, "A", {}) == float(a)


def test_orders(golden):
    for case in golden("orders.json"):
        assert shuffled_order(case["count"], case["seed"], case["epoch"]) == case["order"]


def test_learning_rates(golden):
    for case in golden("learning-rates.json"):
        for step, rate in enumerate(case["rates"]):
            assert learning_rate(case["optimizer"], step, case["total"]) == pytest.approx(rate, rel=1e-12)


def test_fresh_heads(golden):
    for case in golden("heads.json"):
        assert normal_deviates(case["seed"], HEAD, len(case["head"]), HEAD_STD) == pytest.approx(case["head"], rel=1e-6)


def test_philox_is_the_published_one():
    # Known answer of Random123.
    assert philox((0, 0, 0, 0), 0, 0) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)


def test_a_stream_of_epochs():
    assert visits(3, 1, 7) == shuffled_order(3, 1, 0) + shuffled_order(3, 1, 1) + shuffled_order(3, 1, 2)[:1]
    sampler = EpochSampler(range(5), 9)
    sampler.set_epoch(2)
    assert list(sampler) == shuffled_order(5, 9, 2)
    assert len(sampler) == 5


def test_an_epoch_that_several_processes_share_is_filled_up_behind_its_end():
    sampler = EpochSampler(range(5), 9, fill_to=4)
    assert list(sampler) == [*shuffled_order(5, 9, 0), 5, 5, 5]
    assert len(sampler) == 8
    assert list(EpochSampler(range(8), 9, fill_to=4)) == shuffled_order(8, 9, 0)
