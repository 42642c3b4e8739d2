"""`profiles/babylm.yaml` and the source files of BabyLM's corpora."""

import json
import shutil

import pytest

from gpt1 import params
from gpt1.corpus.sources import read_books
from gpt1.errors import UserError
from pipelines.graph import graph
from tests.conftest import ROOT
from tests.gpt1 import hub

FILES = ("bnc_spoken", "childes", "gutenberg", "open_subtitles", "simple_wiki", "switchboard")
WORDS = ("sang", "spoke", "read", "wrote", "walked", "slept", "laughed")
REVISION = "a" * 40
TASKS = {
    "boolq": ("question", "passage"),
    "mnli": ("premise", "hypothesis"),
    "mrpc": ("sentence1", "sentence2"),
    "qqp": ("question1", "question2"),
    "rte": ("sentence1", "sentence2"),
}


@pytest.fixture
def profile(workspace):
    """The project with that profile active, its corpora at a revision."""
    values = workspace.read(ROOT / "profiles/babylm.yaml")
    workspace.dump(values, "params.yaml")
    for path in (workspace.root / "corpora").glob("babylm_strict*"):
        path.write_text(path.read_text().replace("@REVISION", f"@{REVISION}"))
    return values


def corpus(owner_and_name, suffix, lines=40):
    return {
        f"{owner_and_name}/{name}{suffix}": "".join(
            f"the {name} {WORDS[line % 7]} and {WORDS[line % 5]} {'very ' * (line % 13)}well .\n"
            for line in range(lines)
        ).encode()
        for name in FILES
    }


@pytest.mark.parametrize(
    ("source", "place", "suffix"),
    [
        (
            "babylm_strict_small",
            f"BabyLM-community/BabyLM-2026-Strict-Small@{REVISION}",
            ".train.txt",
        ),
        ("babylm_strict", f"BabyLM-community/BabyLM-2026-Strict@{REVISION}", ".train.txt"),
        (
            "babylm_2023_strict_small",
            "cambridge-climb/BabyLM@a245e722dd2722f3dd8587c067af1a91572519de/original/10M",
            ".txt",
        ),
    ],
)
def test_a_corpus_is_read_from_the_hub(tmp_path, source, place, suffix):
    path = tmp_path / f"{source}.yaml"
    text = (ROOT / f"corpora/{source}.yaml").read_text()
    path.write_text(text.replace("@REVISION", f"@{REVISION}").replace("lines: 1000", "lines: 25"))
    script = (
        "import sys, json; from pathlib import Path; from gpt1.corpus.sources import read_books\n"
        "print(json.dumps([book.text.count('\\n') for book in read_books(Path(sys.argv[1]))]))"
    )
    files = corpus(place, suffix) | {f"{place}/README.md": b"not a text of it"}
    said = hub.python(script, str(path), files=files, home=tmp_path)
    assert json.loads(said) == [25, 15] * len(FILES)


def test_the_revision_must_be_filled_in_before_anything_is_read():
    with pytest.raises(
        UserError,
        match=r"strict_small\.yaml: .* does not have a whole hash of a commit; pin",
    ):
        list(read_books(ROOT / "corpora/babylm_strict_small.yaml"))


def test_the_profile_trains_ten_passes_and_asks_for_blimp_and_glue(profile):
    params.check(profile)
    model = params.parse(params.Model, profile["models"]["gpt"], "models.gpt")
    assert model.epochs == 10
    millions = [*range(1, 11), *range(20, 100, 10)]
    assert model.checkpoints == [f"{each}M words" for each in millions]
    assert set(params.differences(model)) == {"epochs", "warmup"}
    stages = graph.load(graph.open_project()).stages
    assert {"zero_shot@blimp-gpt", "zero_shot@blimp_supplement-gpt"} <= set(stages)
    assert {f"finetune@babylm_{task}-gpt-1" for task in TASKS} <= set(stages)


@pytest.mark.nightly
def test_the_profile_leads_from_the_hub_to_the_report(workspace, profile, databases):
    workspace.lay_out(databases)
    profile["bpe"]["merges"] = 50
    small = {"layers": 1, "width": 16, "heads": 2, "context": 32, "batch": 8, "micro_batch": 8}
    small |= {"precision": "fp32", "threads": 1, "compile": False, "warmup": 2}
    profile["models"]["gpt"] |= small
    for recipe in profile["finetune"].values():
        recipe |= {"epochs": 1, "threads": 1, "precision": "fp32"}
    workspace.dump(profile, "params.yaml")
    for group in ("blimp", "blimp_supplement"):
        (workspace.root / "real" / group).mkdir(parents=True)
        pair = {"sentence_good": "the words are here .", "sentence_bad": "the words is here ."}
        (workspace.root / "real" / group / "agreement.jsonl").write_text(json.dumps(pair) + "\n")
    (workspace.root / "real/glue_filtered").mkdir()
    for task, columns in TASKS.items():
        labels = range(3 if task == "mnli" else 2)
        rows = [dict.fromkeys(columns, "some words") | {"label": label} for label in labels]
        for split in ("train", "valid"):
            path = workspace.root / f"real/glue_filtered/{task}.{split}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(ROOT / "hub", workspace.root / "hub")
    place = f"BabyLM-community/BabyLM-2026-Strict-Small@{REVISION}"
    files = corpus(place, ".train.txt", lines=3000)
    with hub.serving(files, workspace.root / "hub_client") as variables:
        workspace.variables = variables
        workspace.gpt1("run")
    report = (workspace.root / "report/report.md").read_text()
    assert "| babylm_rte |" in report
    assert "blimp" in report
