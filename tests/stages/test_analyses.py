"""Every analysis, from books to the report, under plain `dvc repro`."""

import json

import pytest


def ask_everything(values):
    """One task, one seed, and each question asked as briefly as it can be."""
    gpt = values["models"]["gpt"]
    values["models"] |= {
        "gpt": gpt | {"checkpoints": [0]},
        "shuffled": gpt | {"shards": "shards_shuffled_1"},
        "half": gpt | {"books": 0.5},
    }
    task, seeds = ["next_sentence"], [1]
    return values | {
        "derived_tasks": {"next_sentence": values["derived_tasks"]["next_sentence"]},
        "compare": {"tasks": task, "models": ["gpt", "scratch"], "seeds": seeds},
        "no_auxiliary": {"tasks": task, "seeds": seeds},
        "transfer": {"layers": [0, 1], "tasks": task, "seeds": seeds},
        "zero_shot": {"tasks": task, "models": ["gpt"], "threads": 1},
        "samples": values["samples"] | {"models": ["gpt"]},
        "shuffling": {"seeds": [1], "contiguous": ["gpt"], "shuffled": ["shuffled"]},
        "scaling": {"models": ["gpt", "half"]},
    }


@pytest.mark.slow
def test_every_question_is_answered_and_one_more_seed_costs_one_more_seed(workspace):
    values = ask_everything(workspace.read("params.yaml"))
    workspace.dump(values, "params.yaml")
    workspace.dvc("repro", "-q")
    found = (workspace.root / "report/report.md").read_text()
    for asked in (
        "Does pretraining help?",
        "Does the auxiliary language-model loss help?",
        "Do the transferred layers help?",
        "Does gpt learn tasks while it learns language?",
        "Does long-range structure matter?",
        "Does the loss fall with the share of the books?",
    ):
        assert f"| {asked} " in found
    assert "not asked for" not in found

    values["no_auxiliary"] = values["no_auxiliary"] | {"seeds": [1, 2]}
    values["transfer"] = values["transfer"] | {"layers": [0]}
    workspace.dump(values, "params.yaml")
    changed = set(json.loads(workspace.dvc("status", "--json").stdout))
    cell = "next_sentence-2"
    new = {f"finetune_no_auxiliary@{cell}", f"evaluate_no_auxiliary@{cell}"}
    assert changed == new | {"report"}
