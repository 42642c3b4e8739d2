"""Overlap with the tasks: reported for those that are listed, left out only where asked."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from gpt1.errors import UserError
from pipelines.graph import graph
from stages import contamination, without_shared
from tests.gpt1.corpus.test_clean_corpus import prose
from tests.gpt1.corpus.test_contamination import documents, tasked

ROOT = Path(__file__).parents[2]
ON = {"tasks": ["next_sentence"], "drop": ["books", "paragraphs"]}


def ask(folder: Path, **section: list[str]) -> None:
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    YAML(typ="safe").dump(params | {"contamination": section}, folder / "params.yaml")


def test_as_shipped_nothing_of_it_is_in_the_graph_and_when_asked_no_cycle(project) -> None:
    shutil.copy(ROOT / "dvc.yaml", project.root)
    shutil.copy(ROOT / "params.yaml", project.root)
    stages = graph.load(graph.open_project()).stages
    assert not [name for name in stages if "shared" in name or "contamination" in name]
    ask(project.root, **ON)
    found = graph.load(graph.open_project())
    shards = found.upstream(["shards_without_shared@paragraphs"])
    assert {"contamination@next_sentence", "derived_task@next_sentence", "clean@books"} <= shards
    assert "contamination@next_sentence" in found.stages["report"].upstream


def test_what_a_task_shares_is_reported_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shared = prose(5, 20)
    books = {"clear": prose(2), "shares": f"{prose(1)}\n{shared}\nThe end."}
    path = documents(tmp_path, books)
    shutil.copy(path, tmp_path / "valid.parquet")
    ask(tmp_path, tasks=["mine"], drop=[])
    contamination.main(
        task=tasked(tmp_path, shared),
        documents=path,
        out=tmp_path / "overlaps/mine.parquet",
        metrics=tmp_path / "metrics.json",
    )
    (row,) = pd.read_parquet("overlaps/mine.parquet").to_dict("records")
    assert (row["id"], row["book"]) == ("0", "shares")
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["splits"]["train"] == {"examples": 1, "short": 0, "overlapping": 1}
    assert found["longest"][0]["text"] == row["text"]
    left = {"books": {"clear": books["clear"]}}
    left["paragraphs"] = left["books"] | {"shares": f"{prose(1)}\nThe end."}
    for what, expected in left.items():
        out = tmp_path / what
        without_shared.main(documents=tmp_path, overlaps=tmp_path / "overlaps", what=what, out=out)
        table = pd.read_parquet(out / "train.parquet")
        assert dict(zip(table.book, table.text, strict=True)) == expected
    documents(tmp_path, {"shares": shared})
    with pytest.raises(UserError, match="every book overlaps"):
        without_shared.main(
            documents=tmp_path, overlaps=tmp_path / "overlaps", what="books", out=tmp_path / "none"
        )
