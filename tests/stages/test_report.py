import json
import re
import shutil
import statistics
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
from ruamel.yaml import YAML

from gpt1.analysis.report import figures
from gpt1.errors import UserError
from stages import report, tracking

TASKS, MODELS, SEEDS = ["book", "rte"], ["gpt", "scratch", "lstm"], [1, 2]
SHIPPED = YAML(typ="safe").load(Path(__file__).parents[2] / "params.yaml")
COMPARED = {"tasks": TASKS, "models": ["gpt", "scratch"], "seeds": SEEDS, "kept_weights": []}
EVERYTHING = {
    "compare": {"tasks": TASKS, "models": MODELS, "seeds": SEEDS, "kept_weights": []},
    "no_auxiliary": {"tasks": TASKS, "seeds": SEEDS},
    "transfer": {"layers": [0, 2, 4], "tasks": ["rte"], "seeds": SEEDS},
    "zero_shot": {"tasks": ["race", "cola"], "models": ["gpt", "lstm"], "threads": 1},
    "samples": SHIPPED["samples"] | {"models": ["gpt"]},
    "shuffling": {
        "seeds": [1],
        "books": 1.0,
        "contiguous": ["gpt", "gpt_2"],
        "shuffled": ["shuffled", "shuffled_2"],
    },
    "contamination": {"tasks": ["rte"], "drop": []},
    "scaling": {"models": ["gpt", "half", "quarter", "narrow", "narrower"]},
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params and the files of every stage before the report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracking, "run", lambda: nullcontext(Mock()))
    for place, model in enumerate([*MODELS, "no_auxiliary", *(f"transfer_{k}" for k in (0, 2, 4))]):
        for task in TASKS:
            for seed in SEEDS:
                score(tmp_path, task, model, seed, 0.8 - 0.1 * place + 0.01 * seed * (1 + place))
    sizes = {"narrow": 1_000_000, "narrower": 500_000}
    for place, model in enumerate(["gpt", "scratch", "lstm", "gpt_2", "shuffled", "shuffled_2"]):
        pretrained(tmp_path, model, 4.0 + 0.25 * place, 2_000_000)
    for place, model in enumerate(["half", "quarter", "narrow", "narrower"]):
        updates = {"half": 10, "quarter": 5}.get(model, 20)
        pretrained(tmp_path, model, 4.5 + 0.25 * place, sizes.get(model, 2_000_000), updates)
    (tmp_path / "curves/pretrain/scratch.csv").write_text("update,loss\n")
    for task in ("race", "cola"):
        for model in ("gpt", "lstm"):
            zero_shot(tmp_path, task, model)
    counts = {step: {"books": 3, "words": 9000} for step in ("raw", "train", "valid")}
    card = {"steps": counts, "dropped": {"short": 2}, "sha256": {"train": "abc", "valid": "def"}}
    put(tmp_path, "metrics/clean.json", json.dumps(card))
    shared = {
        "splits": {"dev": {"examples": 400, "short": 9, "overlapping": 3}},
        "longest": [{"text": "it was the best of times"}],
    }
    put(tmp_path, "metrics/contamination/rte.json", json.dumps(shared))
    put(tmp_path, "metrics/trigram.json", '{"loss": 9.0}')
    texts = {"prompt": "The", "samples": [{"update": 20, "text": "the king .\nand he"}]}
    put(tmp_path, "metrics/samples/gpt.json", json.dumps(texts))
    ask(tmp_path, compare=COMPARED)
    return tmp_path


def ask(project, **sections):
    """The params as shipped, with these sections in place of their own."""
    gpt = SHIPPED["models"]["gpt"]
    models = dict.fromkeys(("gpt", "scratch", "lstm", "gpt_2", "shuffled", "shuffled_2"), gpt)
    models |= {"half": gpt | {"books": 0.5}, "quarter": gpt | {"books": 0.25}}
    models |= {"narrow": gpt | {"width": 96}, "narrower": gpt | {"width": 48}}
    finetune = dict.fromkeys(TASKS, SHIPPED["finetune"]["book"])
    values = SHIPPED | {"models": models, "finetune": finetune} | sections
    YAML().dump(values, project / "params.yaml")


def put(project, name, text):
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def score(project, task, model, seed, value):
    content = {
        "task": task,
        "model": model,
        "seed": seed,
        "metric": "accuracy",
        "baseline": {"dev": 0.5, "test": 0.25},
        "sha256": f"table of {task}",
        "splits": {
            "dev": {"accuracy": 0.11, "n": 7, "interval": [0, 1]},
            "test": {"accuracy": value, "n": 400, "interval": [value - 0.05, value + 0.04]},
        },
    }
    path = project / f"metrics/evaluate/{task}.json"
    cells = json.loads(path.read_text()) if path.exists() else {}
    put(project, f"metrics/evaluate/{task}.json", json.dumps(cells | {f"{model}-{seed}": content}))
    resampled(project, task, {f"{model}-{seed}": [value] * 3})


def resampled(project, task, cells):
    """Add columns to what `evaluate@TASK` writes of its samples."""
    path = project / f"metrics/resampled/{task}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    there = pd.read_parquet(path) if path.exists() else pd.DataFrame()
    there.assign(**cells).to_parquet(path)


def pretrained(project, model, loss, parameters, updates=20, *, bits=1.5):
    valid = {"loss": loss, "perplexity": 55.0, "perplexity_per_word": 99.0, "bits_per_byte": bits}
    content = {"parameters": parameters, "updates": updates, "operations": 1e9, "valid": valid}
    put(project, f"metrics/pretrain/{model}.json", json.dumps(content))
    put(project, f"curves/pretrain/{model}.csv", "update,loss\n10,6.5\n20,5.25\n")


def zero_shot(project, task, model, last=None):
    about = {"metric": "accuracy", "split": "dev", "n": 9, "chance": 25.0, "ceiling": 75.0}
    put(project, f"metrics/zero_shot/{task}-{model}.json", json.dumps(about))
    last = last or 40 + len(task)
    curve = "update,score,normalised,score_syntax\n0,25.0,0.0,25\n"
    curve += f"20,{last},0.{3 + len(task)},62.5\n"
    put(project, f"curves/zero_shot/{task}-{model}.csv", curve)


def build(project, out="report"):
    report.main(metrics=project / "metrics", curves=project / "curves", out=project / out)
    return (project / out / "report.md").read_text()


def row(markdown, first):
    """The cells of the first table row that begins with `first`."""
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {first} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_has_each_score_its_baseline_split_size_and_seeds(project):
    cells = row(build(project), "rte")
    assert cells[1].startswith("81.5 ±")
    assert cells[2].startswith("73.0 ±")
    assert cells[3:] == ["25.0", "accuracy", "test", "400", "2", "56.0 (test)"]


def test_a_dev_score_is_said_to_be_one(project):
    path = project / "metrics/evaluate/rte.json"
    cells = json.loads(path.read_text())
    for content in cells.values():
        del content["splits"]["test"]
    path.write_text(json.dumps(cells))
    assert row(build(project), "rte")[3:6] == ["50.0", "accuracy", "dev"]


def test_each_seed_stands_with_its_interval_all_with_their_deviation_and_the_table_s_hash(project):
    found = build(project)
    assert "| rte | table of rte |" in found
    each = " | ".join(f"{80 + s:.1f} ({75 + s:.1f} to {84 + s:.1f})" for s in SEEDS)
    mean, deviation = statistics.mean(SEEDS) + 80, statistics.stdev(SEEDS)
    assert f"| rte | gpt | {mean:.1f} | {deviation:.1f} | {each} |" in found


def test_a_comparison_that_was_taken_out_of_the_params_is_not_read(project):
    whole = build(project)
    score(project, "gone", "gpt", 1, 0.999)
    score(project, "book", "gpt", 9, 0.999)
    put(project, "curves/pretrain/gone.csv", "not a curve")
    assert build(project, "again") == whole


def test_two_reports_have_the_same_bytes(project):
    ask(project, **EVERYTHING)
    build(project)
    build(project, "again")
    names = sorted(path.name for path in (project / "report").iterdir())
    figures = ["ablations.png", "layers.png", "loss.png", "scaling.png", "scores.png"]
    figures += ["shuffling.png", "zero_shot.png"]
    assert names == sorted(["index.html", "report.md", *figures])
    for name in names:
        first, second = project / "report" / name, project / "again" / name
        assert first.read_bytes() == second.read_bytes()


def test_the_papers_table_has_the_papers_names(project):
    ask(project, **EVERYTHING)
    found = build(project)
    table = found[found.index("Table 5 of the paper: scores") :].split("\n\n")[1]
    names = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert names == [
        "Transformer w/ aux LM (full)",
        "Transformer w/o pre-training",
        "LSTM w/ aux LM",
        "Transformer w/o aux LM",
    ]


def test_the_loss_has_a_line_for_trigrams_and_says_what_the_dots_are(monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "png", lambda figure: drawn.append(figure) or b"")
    curve = pd.DataFrame({"update": [1, 2], "loss": [5.0, 4.0], "valid_loss": [None, 4.5]})
    figures.loss_curves({"gpt": curve}, 4.25)
    [axes] = drawn[0].axes
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["gpt", "held-out", "trigram, held-out"]
    assert [*axes.lines[-1].get_ydata()] == [4.25, 4.25]


def test_a_model_that_was_not_trained_is_in_the_table_and_not_drawn(project):
    found = build(project)
    assert row(found, "scratch")[0] == "scratch"
    assert "scratch: from" not in found


def test_what_was_not_asked_for_is_named(project):
    found = build(project)
    for title in ("Layers transferred", "Zero-shot behaviours", "Scaling"):
        assert f"{title}: not asked for" in found
    assert "Ablations: without the paper's no_auxiliary, lstm." in found
    assert "Comparison: without the paper's mnli, snli, " in found
    ask(project, **EVERYTHING)
    found = build(project)
    assert "not asked for" not in found
    assert "| race | syntax | gpt | 62.5 |" in re.sub(" +", " ", found)
    assert "Zero-shot behaviours: without the paper's sst2, dprd." in found
    assert "Ablations: without" not in found


def test_without_fine_tuning_the_pretraining_still_has_its_report(project):
    ask(project, compare=COMPARED | {"tasks": []})
    found = build(project)
    assert "## Comparison" not in found
    assert "Comparison: not asked for (compare.tasks)." in found
    assert row(found, "gpt")[2] == "20"


def test_each_question_has_its_effect_and_a_verdict(project):
    ask(project, **EVERYTHING)
    found = build(project)
    helped = row(found, "Does pretraining help?")
    assert helped[1].startswith("+8.5 ± 6.4")
    # RTE alone is in Table 5
    within = "within its noise of 2.8"
    assert helped[2:4] == ["no claim", f"+2.2 (the paper, GLUE's test, tasks: 1, {within})"]
    assert row(found, "Does the auxiliary language-model loss help?")[1].startswith("+25.5")
    assert row(found, "Do the transferred layers help?")[1].startswith("-17.0")
    assert row(found, "Do the transferred layers help?")[2] == "undecided", "with two seeds"
    structure = row(found, "Does long-range structure matter?")
    assert structure[1].startswith("+0.750")
    books = row(found, "Does the loss fall with the tokens read?")
    assert books[1].startswith("-0.")
    assert "Does lstm learn tasks while it learns language?" in found
    better = row(found, "Does the Transformer learn more of them than the LSTM?")
    assert better[1:3] == ["+0.00 ± 0.00", "undecided"]


def test_an_effect_is_averaged_over_the_tasks_of_its_claim(project):
    for seed in SEEDS:
        score(project, "book", "scratch", seed, 0.01)  # no task of the paper
    ask(project, **EVERYTHING)
    found = build(project)
    helped = row(found, "Does pretraining help?")
    assert helped[1].startswith("+8.5 ")
    assert helped[4] == "average score of gpt minus scratch (tasks: 1, seeds: 2)"
    assert float(row(found, "gpt - scratch")[1].split()[0]) > 20, "over both tasks"


def test_no_verdict_is_given_about_a_model_that_is_no_better_than_trigrams(project):
    put(project, "metrics/trigram.json", '{"loss": 4.5}')
    ask(project, **EVERYTHING)
    found = build(project)
    lstm = "none: lstm no better than trigrams"
    assert row(found, "Does the Transformer help, against an LSTM?")[2] == lstm
    assert row(found, "Does lstm learn tasks while it learns language?")[2] == lstm
    assert row(found, "Does gpt learn tasks while it learns language?")[2] == "undecided"
    assert "a trigram model has a loss of 4.500; models no better than that: lstm, " in found


def test_a_pair_that_was_asked_zero_shot_has_both_scores_side_by_side(project):
    for task in ("race", "cola"):
        zero_shot(project, task, "shuffled", last=31)
    asked = EVERYTHING["zero_shot"] | {"models": ["gpt", "lstm", "shuffled"]}
    ask(project, **EVERYTHING | {"zero_shot": asked})
    table = build(project).split("## Contiguous and shuffled")[1].split("##")[0]
    assert row(table, "race")[1:4] == ["44.0", "31.0", "25.0"]


def test_samples_stand_beside_their_update(project):
    ask(project, **EVERYTHING)
    assert "| gpt | 20 | the king . and he |" in build(project)


def test_the_corpus_has_its_counts_and_its_bytes(project):
    found = build(project)
    assert row(found, "train") == ["train", "3", "9,000", "abc"]
    assert "Books dropped: 2 short." in found


def test_what_the_books_share_with_a_task_stands_beside_its_examples(project):
    ask(project, compare=COMPARED, contamination={"tasks": ["rte"], "drop": []})
    assert "| rte | dev | 400 | 9 | 3 (0.8%) | it was the best of times |" in build(project)


def test_an_imported_model_is_compared_without_having_been_pretrained_here(project):
    for task in TASKS:
        for seed in SEEDS:
            score(project, task, "released", seed, 0.9)
    ask(project, compare=COMPARED | {"models": ["released", "gpt"]})
    assert row(build(project), "rte")[1].startswith("90.0")
    (project / "metrics/clean.json").unlink()
    ask(project, compare=COMPARED | {"models": ["released"]})
    assert "## Corpus" not in build(project)


def test_scores_of_two_tables_of_a_task_never_stand_side_by_side(project):
    path = project / "metrics/evaluate/rte.json"
    cells = json.loads(path.read_text())
    cells["scratch-2"]["sha256"] = "another"
    path.write_text(json.dumps(cells))
    with pytest.raises(UserError, match="rte-scratch-2 was scored on another table"):
        build(project)
    cells["scratch-1"]["sha256"] = "another"
    path.write_text(json.dumps(cells))
    with pytest.raises(UserError, match="rte-scratch was scored on another table"):
        build(project)


@pytest.mark.parametrize("empty", ["models", "seeds"])
def test_an_empty_list_takes_the_comparison_out(project, empty):
    ask(project, compare=COMPARED | {empty: []})
    assert "Comparison: not asked for" in build(project)


def test_params_that_differ_from_the_paper_are_listed(project):
    found = build(project)
    assert row(found, "bpe.merges")[1:] == ["2000", "40000"]
    assert row(found, "models.gpt.layers")[1:] == ["4", "12"]
    assert "models.gpt.dropout" not in found


@pytest.mark.parametrize(
    "name",
    [
        "metrics/evaluate/book.json",
        "metrics/clean.json",
        "metrics/pretrain/gpt.json",
        "curves/pretrain/gpt.csv",
        "metrics/zero_shot/race-gpt.json",
        "curves/zero_shot/race-gpt.csv",
        "metrics/resampled/rte.parquet",
        "metrics/trigram.json",
    ],
)
@pytest.mark.parametrize("harm", ["missing", "cut short", "empty", "other types", "no keys"])
def test_a_file_that_cannot_be_read_is_one_line_that_names_it(project, name, harm):
    ask(project, **EVERYTHING)
    put(project, "report/report.md", "of before")
    path = project / name
    text = path.read_bytes().decode("latin-1")
    path.unlink()
    harmed = {
        "cut short": text[: len(text) // 3],
        "empty": "",
        "other types": re.sub(r"(?<![\w.])[\d.]+", '"x"', text),
        "no keys": "{}",
    }
    if harm != "missing":
        path.write_bytes(harmed[harm].encode("latin-1"))
    with pytest.raises(UserError, match=path.name) as error:
        build(project)
    assert "\n" not in str(error.value)
    assert (project / "report/report.md").read_text() == "of before"
    left = {path.name for path in project.iterdir()}
    assert left == {"metrics", "curves", "params.yaml", "report"}


@pytest.fixture
def page(project, browser):
    """The page of a whole report, moved away from the files that were made with it."""
    ask(project, **EVERYTHING)
    build(project)
    alone = project / "alone"
    alone.mkdir()
    shutil.move(project / "report/index.html", alone)
    browser.get((alone / "index.html").as_uri())
    return browser


def test_the_page_opens_on_its_own_with_all_figures_and_no_error(page):
    assert page.get_log("browser") == []
    images = page.find_elements("css selector", "figure img")
    assert len(images) == 7
    for image in images:
        assert int(image.get_property("naturalWidth")) > 300
        assert len(image.get_attribute("alt")) > 30


def test_a_click_on_a_column_sorts_the_table_by_its_numbers(page):
    head = page.find_element("xpath", "//h2[@id='scaling']/following::table[1]//th[button='loss']")

    def column():
        cells = "./ancestor::table/tbody/tr/td[5]"
        return [float(cell.text) for cell in head.find_elements("xpath", cells)]

    before = column()
    for order, state in ((sorted(before), "ascending"), (sorted(before)[::-1], "descending")):
        head.find_element("tag name", "button").click()
        assert column() == order
        assert head.get_attribute("aria-sort") == state


def test_the_page_fits_a_phone(page):
    emulated = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", emulated)
    try:
        page.refresh()
        width = page.execute_script("return document.documentElement.scrollWidth")
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width <= 390


def test_a_report_that_fails_says_how_to_have_the_last_report_which_dvc_removed(project):
    shutil.rmtree(project / "metrics/evaluate")
    with pytest.raises(UserError, match=r"is missing; .* \(`dvc checkout report` has the last re"):
        report.main(metrics=Path("metrics"), curves=Path("curves"), out=Path("report"))
