"""`gpt1 plan --cost`: what is asked of the machine, before anything runs."""

import pytest
from rich.console import Console

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
