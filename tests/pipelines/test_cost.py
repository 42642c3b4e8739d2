"""`gpt1 plan --cost`: what is asked of the machine, before anything runs."""

import pytest
from rich.console import Console

from gpt1 import params
from gpt1.training import estimate
from pipelines import cost, graph


def test_the_paper_s_run_is_counted_as_openai_published_it():
    assert estimate.sizes(cost.PAPER, 40_478)[1] == 116_534_784
    counted = estimate.paper_operations() / estimate.PETAFLOP_DAY
    assert counted == pytest.approx(estimate.PAPER_DAYS, rel=0.1)


def test_memory_grows_with_the_micro_batch_alone():
    one, four = (
        estimate.sizes(cost.changed(cost.PAPER, micro_batch=rows), 40_478)[2] for rows in (1, 4)
    )
    assert 2.5 < four / one < 4


def test_every_stage_that_trains_has_a_line_from_the_books_alone(workspace, capsys):
    raw = sum(file.stat().st_size for file in (workspace.root / "books").iterdir())
    found = graph.load(graph.open_project())
    costs = {each.stage: each for each in cost.of_graph(found)}
    assert set(costs) == {
        name for name in found.stages if name.startswith(("pretrain", "finetune"))
    }
    trained = costs["pretrain@gpt"].training
    assert trained.tokens == pytest.approx(raw / estimate.CHARACTERS)
    assert trained.seconds > 0
    assert costs["pretrain@scratch"].training.tokens == 0
    assert not costs["finetune@book-gpt-1"].known
    cost.show(found, Console(width=120))
    assert "OpenAI published 0.96" in capsys.readouterr().out


def test_a_shuffled_model_reads_the_books_that_are_shuffled_whether_they_are_or_not(workspace):
    values = workspace.read("params.yaml")
    values["shuffling"] |= {"seeds": [1], "books": 0.5}
    workspace.dump(values, "params.yaml")
    half, whole = ({"books": 0.5}, {"shards": "shards_shuffled_1", "books": 1.0})
    models = [params.parse(params.Model, values["models"]["gpt"] | m, "m") for m in (half, whole)]
    assert cost.corpus(models[0]) == cost.corpus(models[1]) > 0
