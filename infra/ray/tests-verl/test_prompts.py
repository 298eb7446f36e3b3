"""Prompts as verl reads them."""

import json

import pytest
from fake_s3 import FakeS3
from small import new_spec
from torchdata.stateful_dataloader import StatefulDataLoader
from verl.trainer.ppo.utils import create_rl_dataset, create_rl_sampler
from verl.utils import hf_tokenizer
from verl.utils.dataset.rl_dataset import collate_fn

from rmr1_ray.data import ids_of
from rmr1_ray.model import load_tokenizer
from rmr1_ray.prompts import ordered_prompts
from rmr1_ray.verl_config import Layout, compose, verl_settings
from rmr1_ray.verl_data import write_prompts, write_tokenizer

ROWS = [
    {"id": "a", "prompt": "w0 w1 <answer> [[A]]", "gold": "A"},
    # A special token within the prompt, white space that templates like to cut off, and a word that is not known.
    {"id": "b", "prompt": "<begin> w3 <end> w4", "gold": "B"},
    {"id": "c", "prompt": "  w5\n\n w6 nonesuch {{ w7 }} \n", "gold": "A"},
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """verl's dataset and tokenizer of a small job."""
    tmp = tmp_path_factory.mktemp("prompts")
    spec = new_spec(tmp, FakeS3(), ROWS)
    layout = Layout(tmp)
    (tmp / "source").rename(layout.model)
    ours = load_tokenizer(layout.model)
    rows = ordered_prompts(tmp / "data.jsonl", ours, spec)
    write_prompts(rows, layout.prompts)
    write_tokenizer(layout.model, layout.tokenizer)
    config = compose(verl_settings(spec, layout))
    theirs = hf_tokenizer(str(layout.tokenizer))
    dataset = create_rl_dataset(config.data.train_files, config.data, theirs, None)
    return spec, config, ours, theirs, rows, dataset, layout


def test_every_row_comes_back_in_our_order(prepared):
    spec, _, _, _, rows, dataset, _ = prepared
    assert len(dataset) == spec["steps"] * spec["promptsPerStep"] == len(rows)
    for index, row in enumerate(rows):
        read = dataset[index]
        assert read["raw_prompt"] == [{"role": "user", "content": row["prompt"]}]
        assert (read["reward_model"]["ground_truth"], read["extra_info"]["id"], read["index"]) == (row["gold"], row["id"], index)


def test_prompts_have_the_tokens_that_trl_gives_them(prepared):
    _, _, ours, theirs, rows, dataset, _ = prepared
    for index, row in enumerate(rows):
        shown = theirs.apply_chat_template(dataset[index]["raw_prompt"], add_generation_prompt=True, tokenize=True, return_dict=False)
        # TRL tokenises a plain prompt so.
        assert list(shown) == ours(text=[row["prompt"]])["input_ids"][0] == ids_of(ours, row["prompt"])
    assert (theirs.eos_token_id, theirs.pad_token_id) == (ours.eos_token_id, ours.pad_token_id)


def test_rollouts_end_at_the_end_of_text_and_nowhere_else(prepared):
    _, _, ours, _, _, _, layout = prepared
    said = json.loads((layout.model / "generation_config.json").read_text())
    assert said == {"eos_token_id": ours.eos_token_id, "pad_token_id": ours.pad_token_id}


def test_the_order_goes_on_where_a_checkpoint_left_it(prepared):
    spec, config, _, _, rows, dataset, _ = prepared

    def loader():
        # As verl's trainer makes it.
        return StatefulDataLoader(
            dataset=dataset,
            batch_size=config.data.train_batch_size,
            num_workers=config.data.dataloader_num_workers,
            drop_last=True,
            collate_fn=collate_fn,
            sampler=create_rl_sampler(config.data, dataset),
        )

    def ids(batches):
        return [info["id"] for batch in batches for info in batch["extra_info"]]

    first = loader()
    batches = iter(first)
    begun = [next(batches) for _ in range(2)]
    state = first.state_dict()
    second = loader()
    second.load_state_dict(state)
    assert ids(begun) + ids(second) == [row["id"] for row in rows]
