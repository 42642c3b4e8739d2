"""`gpt1 plan --cost`: what is asked of the machine, before anything runs."""

import dataclasses
import json

import pytest

from gpt1 import params
from gpt1.analysis import estimate
from gpt1.analysis.report import paper
from gpt1.errors import UserError
from gpt1.tasks import table
from gpt1.training.peaks import titled
from pipelines.extension import cost
from pipelines.graph import graph


def test_the_paper_s_run_is_counted_as_openai_published_it():
    assert estimate.sizes(cost.PAPER, 40_478)[1] == 116_534_784
    counted = estimate.paper_operations() / paper.PETAFLOP_DAY
    assert counted == pytest.approx(paper.PETAFLOP_DAYS, rel=0.1)


def test_memory_grows_with_the_micro_batch_alone():
    one, four = (
        estimate.sizes(cost.changed(cost.PAPER, micro_batch=rows), 40_478)[2] for rows in (1, 4)
    )
    assert 2.5 < four / one < 4


def test_every_stage_that_trains_has_a_line_from_the_books_alone(workspace, capsys):
    raw = sum(file.stat().st_size for file in (workspace.root / "books").iterdir())
    found = graph.load(graph.open_project())
    costs = {each.stage: each for each in cost.of_stages(found.stages)}
    assert set(costs) == {
        name for name in found.stages if name.startswith(("pretrain", "finetune"))
    }
    trained = costs["pretrain@gpt"].training
    assert trained.tokens == pytest.approx(raw / estimate.CHARACTERS)
    assert trained.seconds > 0
    assert costs["pretrain@scratch"].training.tokens == 0
    assert not costs["finetune@book-gpt-1"].known
    cost.show(found, found.stages)
    said = capsys.readouterr()
    assert "OpenAI published 0.96" in said.out
    assert "\n  fp32: RTX 4090 83, A100 156, H100 SXM 494\n" in said.out
    measured = {line for line in said.err.splitlines() if line.startswith("measuring")}
    assert measured == {"measuring how fast pretrain@gpt trains here"}, "the tasks have no tables"
    assert f"leave out these {sum(not each.known for each in costs.values())} stages" in said.out


def test_a_name_is_whole_in_a_narrow_terminal_and_what_is_unknown_is_no_sum_of_zero(
    workspace, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "40")
    found = graph.load(graph.open_project())
    tuned = [name for name in found.stages if name.startswith("finetune@book")]
    cost.show(found, tuned)
    said = capsys.readouterr().out
    others = f" and {len(tuned) - 1} alike, each" if len(tuned) > 1 else ""
    assert f"{tuned[0]}{others} " in said
    assert all(name in said for name in ("operations", "memory", "H100 SXM"))
    assert "All of them" not in said
    assert "one stage after the other" not in said


def test_models_that_differ_in_rate_and_seed_are_measured_once(workspace, capsys):
    values = workspace.read("params.yaml")
    values["models"]["fast"] = values["models"]["gpt"] | {"learning_rate": 0.1, "seed": 2}
    workspace.dump(values, "params.yaml")
    stages = ["pretrain@fast", "pretrain@gpt"]
    assert len(list(cost.of_stages(stages))) == 2
    assert capsys.readouterr().err.count("measuring") == 1


def test_only_targets_and_what_they_hang_on_are_counted(workspace):
    said = workspace.gpt1("plan", "--cost", "pretrain@gpt").stdout
    assert "pretrain@gpt" in said
    assert "pretrain@scratch" not in said
    assert "finetune" not in said


def test_an_accelerator_takes_the_time_of_its_peak_in_the_precision_of_the_stage():
    assert all(card.bf16 and card.fp32 for card in estimate.ACCELERATORS)
    training = estimate.Training(1.0, 1, 312e12 * 0.4 * 86_400, 0.0, 0.0, "bf16")
    a100 = titled("A100")
    assert training.days_on(a100) == pytest.approx(1)
    assert dataclasses.replace(training, precision="fp32").days_on(a100) == pytest.approx(2)


def test_a_shuffled_model_reads_the_books_that_are_shuffled_whether_they_are_or_not(workspace):
    values = workspace.read("params.yaml")
    values["shuffling"] |= {"seeds": [1], "books": 0.5}
    workspace.dump(values, "params.yaml")
    half, whole = ({"books": 0.5}, {"shards": "shards_shuffled_1", "books": 1.0})
    models = [params.parse(params.Model, values["models"]["gpt"] | m, "m") for m in (half, whole)]
    assert cost.corpus(models[0]) == cost.corpus(models[1]) > 0


@pytest.mark.parametrize(("name", "splits"), [("sst2", 1), ("cola", 2)])
def test_zero_shot_reads_what_is_scored_and_a_thresholds_train_split_at_each_checkpoint(
    workspace, name, splits
):
    values = workspace.read("params.yaml")
    values["tasks"] = {name: {"path": "files"}}
    values["zero_shot"] |= {"tasks": [name], "models": ["gpt"]}
    values["models"]["gpt"]["checkpoints"] = [0, 1, 1_000_000]
    workspace.dump(values, "params.yaml")
    task = table.Task(name, "classification", ("accuracy",), ("a", "b"))
    examples = [table.Example(split, "1", "x" * 45, target=0.0) for split in ("train", "dev")]
    (workspace.root / "data/tasks").mkdir(parents=True)
    table.write_task(task, examples, workspace.root / f"data/tasks/{name}.parquet")
    costs = {each.stage: each for each in cost.of_stages(graph.load(graph.open_project()).stages)}
    reading = costs[f"zero_shot@{name}-gpt"].training
    assert reading.tokens == 3 * splits * (45 / estimate.CHARACTERS + 3)
    trained = costs["pretrain@gpt"].training
    assert reading.operations / reading.tokens == pytest.approx(
        trained.operations / trained.tokens / 3
    )


@pytest.mark.parametrize(
    ("shape", "orders"), [("similarity", 2), ("regression", 2), ("entailment", 1)]
)
def test_a_pair_without_an_order_is_read_in_both(tmp_path, shape, orders):
    labels = () if shape == "regression" else ("a", "b")
    task = table.Task("t", shape, ("pearson" if shape == "regression" else "accuracy",), labels)
    examples = [table.Example("train", "1", "x" * 20, "y" * 25, target=0.0)]
    table.write_task(task, examples, tmp_path / "t.parquet")
    once = 45 / estimate.CHARACTERS + 3
    assert estimate.finetuning_tokens(tmp_path / "t.parquet", 512, 3) == 3 * orders * once


def test_what_is_predicted_counts_a_third_and_different_texts_are_tokenized_once(tmp_path):
    task = table.Task("t", "classification", ("accuracy",), ("a", "b"))
    splits = ("train", "dev", "dev", "dev")
    examples = [table.Example(s, str(i), "x" * 45, target=0.0) for i, s in enumerate(splits)]
    table.write_task(task, examples, tmp_path / "t.parquet")
    once = 45 / estimate.CHARACTERS + 3
    assert estimate.finetuning_tokens(tmp_path / "t.parquet", 512, 2) == pytest.approx(3 * once)
    seconds, size = estimate.tokenizing(tmp_path / "t.parquet")
    assert seconds == 45 / estimate.TOKENIZED
    assert size == pytest.approx(4 * 45 / estimate.CHARACTERS * 2)


def test_what_starts_stages_and_tokenizes_tasks_is_part_of_the_sum(workspace, capsys, monkeypatch):
    monkeypatch.setattr(estimate, "TOKENIZED", 1)
    [task] = workspace.read("params.yaml")["compare"]["tasks"][:1]
    described = table.Task(task, "classification", ("accuracy",), ("a", "b"))
    rows = [table.Example("train", "0", "x" * 3600, target=0.0)]
    (workspace.root / "data/tasks").mkdir(parents=True)
    table.write_task(described, rows, workspace.root / f"data/tasks/{task}.parquet")
    found = graph.load(graph.open_project())
    cost.show(found, found.stages)
    said = capsys.readouterr().out
    assert f"to start {len(found.stages)} stages and 1.0 h to tokenize tasks" in said


def test_fine_tunes_take_disk_for_the_seeds_whose_weights_are_kept(workspace):
    values = workspace.read("params.yaml")
    values["compare"] |= {"seeds": [1, 2], "kept_weights": [2]}
    values["no_auxiliary"] = {"tasks": values["compare"]["tasks"], "seeds": [2]}
    workspace.dump(values, "params.yaml")
    costs = cost.of_stages(graph.load(graph.open_project()).stages)
    tuned = [each for each in costs if each.kind.startswith("finetune")]
    assert {each.kind for each in tuned} == {"finetune", "finetune_no_auxiliary"}
    for each in tuned:
        kept = each.kind == "finetune" and each.stage.endswith("-2")
        assert each.disk == (4.0 * each.training.parameters if kept else 0)


def test_imported_weights_have_their_own_size(project):
    assert cost.imported("small") is None
    (project.root / "models/small").mkdir(parents=True)
    config = {"n_layer": 2, "n_embd": 64, "n_head": 4, "n_positions": 128, "vocab_size": 40}
    config |= {"model_type": "openai-gpt", "resid_pdrop": 0.1}
    (project.root / "models/small/config.json").write_text(json.dumps(config))
    small = cost.imported("small")
    assert (small.layers, small.width, small.heads, small.context) == (2, 64, 4, 128)


def test_json_has_the_cost_of_each_stage_and_null_for_what_is_unknown(workspace):
    said = json.loads(workspace.gpt1("plan", "--cost", "--json", "finetune").stdout)
    costs = {each["stage"]: each for each in said}
    trained, tuned = costs["pretrain@gpt"], costs["finetune@book-gpt-1"]
    assert trained["tokens"] > 0
    assert {*trained["seconds"]} == {"here", *(card.title for card in estimate.ACCELERATORS)}
    assert (tuned["tokens"], tuned["operations"], tuned["seconds"]) == (None, None, None)
    assert tuned["memory"] > 0


def test_stages_that_train_nothing_have_a_line_and_no_empty_table(workspace):
    (line,) = workspace.gpt1("plan", "--cost", "raw").stdout.splitlines()
    assert line.startswith("None of these stages trains a model")


def test_a_hint_names_stages_that_are_there_and_a_folder_of_books_that_is_not(workspace, capsys):
    found = graph.load(graph.open_project())
    cost.show(found, [name for name in found.stages if not name.startswith("pretrain")])
    assert "`dvc repro derived_task` makes them" in capsys.readouterr().out
    gpt = params.parse(params.Model, workspace.read("params.yaml")["models"]["gpt"], "models.gpt")
    (workspace.root / "books").rename(workspace.root / "book.txt")
    with pytest.raises(UserError, match=r"^params\.yaml: raw\.path: books is not there; put the b"):
        cost.corpus(gpt)
    (workspace.root / "books").touch()
    with pytest.raises(UserError, match="the books of books are not here yet; `dvc repro raw` re"):
        cost.corpus(gpt)
