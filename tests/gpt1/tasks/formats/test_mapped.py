"""Tasks that params or a source file declare: one's own files, a hub's, any address's."""

import functools
import http.server
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpt1 import params
from gpt1.errors import UserError
from gpt1.tasks import load, registry, table
from gpt1.tasks.formats.mapped import read_source_file
from gpt1.tasks.formats.rows import tsv_rows
from gpt1.tasks.table import Example
from tests.gpt1 import hub

OWN: dict[str, Any] = {
    "path": "reviews",
    "shape": "classification",
    "labels": ["bad", "good"],
    "metrics": ["f1_macro", "accuracy"],
    "files": {"train": "train.csv", "test": "test.jsonl"},
    "columns": {"text": "review", "target": "stars"},
}


def own(root: Path, **changed: Any) -> load.LoadedTask:
    return load.own("reviews", root, params.parse(params.OwnTask, OWN | changed, "tasks.reviews"))


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    (tmp_path / "train.csv").write_text('review,stars\n"Good, really.",good\nNo.,bad\n')
    (tmp_path / "test.jsonl").write_text('{"review": "Fine.", "stars": "good"}\n')
    return tmp_path


def test_a_task_of_ones_own_is_read_as_its_params_say(reviews: Path) -> None:
    found = own(reviews)
    assert found.examples == [
        Example("train", "0", "Good, really.", target=1.0),
        Example("train", "1", "No.", target=0.0),
        Example("test", "0", "Fine.", target=1.0),
    ]
    assert (found.task.shape, found.task.metrics) == ("classification", ("f1_macro", "accuracy"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'review,stars\nNo.,bad\n"Open,good\nYes.,bad\n',
            r"train\.csv, line 3: .*a quote that opens",
        ),
        ('review,stars\n"Shut" off,good\n', r"train\.csv, line 2: .*a quote that opens"),
        ("review,stars\nGood, really.,good\n", r"train\.csv, line 2: 3 columns, the header has 2"),
        (b"review,stars\nNo.,bad\ncaf\xe9,good\n", r"train\.csv, line 3: not UTF-8"),
        ("review,stars,stars\nNo.,bad,good\n", r"line 2: two columns are called stars"),
    ],
)
def test_a_table_that_is_no_table_is_one_line_that_names_where(
    reviews: Path, text: str | bytes, said: str
) -> None:
    (reviews / "train.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=said):
        own(reviews)


def test_a_task_without_a_target_is_refused(reviews: Path) -> None:
    with pytest.raises(UserError, match=r"columns\.target is missing"):
        own(reviews, columns={"text": "review"})


@pytest.mark.parametrize("name", ["None", "nan", "NA", "null", "-1", ""])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_label_that_the_task_names_is_a_label_whatever_it_looks_like(
    tmp_path: Path, name: str, ending: str
) -> None:
    rows = [{"review": "Good.", "stars": "yes"}, {"review": "So.", "stars": name}]
    write_table(tmp_path / f"all.{ending}", rows)
    write_table(tmp_path / f"test.{ending}", rows[1:])
    files = {"train": f"all.{ending}", "test": f"test.{ending}"}
    found = own(tmp_path, labels=["yes", name], files=files)
    assert [example.target for example in found.examples] == [0.0, 1.0, 1.0]
    assert found.warnings == []


def test_a_null_is_no_label_even_where_a_label_is_called_none(tmp_path: Path) -> None:
    write_table(tmp_path / "all.jsonl", [{"review": "a", "stars": each} for each in ("None", None)])
    files = {"train": "all.jsonl", "dev": "all.jsonl"}
    found = own(tmp_path, labels=["None", "good"], files=files)
    assert [example.target for example in found.examples] == [0.0, 0.0]
    assert found.task.dropped == {"no gold label": 2}


def test_sentiment_may_be_minus_one_nought_and_one(tmp_path: Path) -> None:
    rows = [{"review": str(n), "stars": n} for n in (-1, 0, 1)]
    write_table(tmp_path / "all.jsonl", rows)
    files = {"train": "all.jsonl", "dev": "all.jsonl"}
    found = own(tmp_path, labels=["-1", "0", "1"], files=files)
    assert [example.target for example in found.examples] == [0.0, 1.0, 2.0] * 2


def test_rows_without_a_gold_label_are_dropped_with_their_count_and_the_first_is_named(
    tmp_path: Path,
) -> None:
    rows = [{"review": str(n), "stars": n} for n in ("good", "bad", None, -1, "nan", None)]
    write_table(tmp_path / "all.jsonl", rows)
    found = own(tmp_path, files={"train": "all.jsonl", "dev": "all.jsonl"})
    assert len(found.examples) == 4
    assert found.task.dropped == {"no gold label": 8}
    assert found.warnings == [
        "all.jsonl, line 3: stars is None, no gold label; dropped, as are all such rows",
        "rows dropped: 8 for no gold label",
    ]


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        path.write_text("".join(f"{line}\n" for line in lines))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_half_a_surrogate_pair_in_a_text_becomes_the_replacement_character(
    tmp_path: Path,
) -> None:
    text = '{"review": "a \\ud83d b \\ud83d\\ude00", "stars": "good"}\n'
    (tmp_path / "all.jsonl").write_text(text)
    found = own(tmp_path, files={"train": "all.jsonl", "dev": "all.jsonl"})
    assert found.examples[0].text == "a \ufffd b \U0001f600"
    assert "all.jsonl, line 1: half of a surrogate pair" in found.warnings[0]
    table.write_task(found.task, found.examples, tmp_path / "t.parquet")
    assert table.read_task(tmp_path / "t.parquet") == (found.task, found.examples)


def test_the_case_of_an_extension_does_not_matter(reviews: Path) -> None:
    (reviews / "train.csv").rename(reviews / "train.CSV")
    assert len(own(reviews, files=OWN["files"] | {"train": "train.CSV"}).examples) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("review;stars\nGood, really;good\n", "semicolons separate the columns; save .* commas"),
        ('"review";"stars"\n"Good";"good"\n', "semicolons separate the columns; save .* commas"),
        ("review\tstars\nGood, really\tgood\n", "tabs separate the columns; save .* commas"),
    ],
)
def test_another_delimiter_is_named(reviews: Path, text: str, said: str) -> None:
    (reviews / "train.csv").write_text(text)
    with pytest.raises(UserError, match=rf"train\.csv, line 1: {said}"):
        own(reviews)


@pytest.mark.parametrize("name", ["train.csv", "train.tsv", "train.jsonl"])
def test_line_ends_of_old_macs_are_named(reviews: Path, name: str) -> None:
    lines = ['{"review": "a", "stars": "good"}'] * 2
    if not name.endswith("jsonl"):
        lines = [line.replace(",", "," if name.endswith("csv") else "\t") for line in
                 ("review,stars", "Good.,good", "No.,bad")]  # fmt: skip
    (reviews / name).write_bytes("\r".join([*lines, ""]).encode())
    with pytest.raises(UserError, match=rf"{name}: its lines end as those of old Macs"):
        own(reviews, files=OWN["files"] | {"train": name})


def test_empty_columns_that_a_spreadsheet_adds_are_no_columns(reviews: Path) -> None:
    (reviews / "train.csv").write_text("review,stars\nNo.,bad,,\n")
    assert own(reviews).examples[0] == Example("train", "0", "No.", target=0.0)


def test_an_empty_test_file_is_a_split_less(reviews: Path) -> None:
    (reviews / "test.jsonl").write_text("")
    (reviews / "dev.csv").write_text("review,stars\nSo so.,bad\n")
    found = own(reviews, files=OWN["files"] | {"dev": "dev.csv"})
    assert table.split_sizes(found.examples) == {"train": 2, "dev": 1}
    assert found.warnings == ["test.jsonl: it has no rows, so there is no test split"]
    with pytest.raises(UserError, match="only train has labels, so nothing can be scored"):
        own(reviews, files={"train": "train.csv", "test": "test.jsonl"})


def test_a_single_file_may_be_the_whole_task(reviews: Path) -> None:
    files = {"train": "train.csv", "dev": "train.csv"}
    assert len(own(reviews / "train.csv", files=files).examples) == 4
    (reviews / "train.rar").write_text("")
    with pytest.raises(UserError, match=r"train\.rar: neither a folder nor a \.zip"):
        own(reviews / "train.rar", files=files)


def test_labels_of_a_source_file_are_texts(mirror: str, tmp_path: Path) -> None:
    path = source_file(tmp_path, mirror)
    path.write_text(path.read_text().replace('["0", "1"]', "[0, 1]"))
    with pytest.raises(UserError, match=r"rte\.yaml: labels has 0, .* put it in quotes"):
        load.official("rte", path)


def test_choices_come_from_columns_of_their_own_or_from_a_list(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("story\tq\ta\tb\tright\nOnce.\tAnd?\tX.\tY.\tb\n")
    (tmp_path / "dev.jsonl").write_text(
        '{"story": "Once.", "q": "And?", "list": ["X.", "Y."], "right": "b"}\n'
    )
    shared = {"shape": "multiple_choice", "labels": ["a", "b"], "metrics": ["accuracy"]}
    columns = {"text": "story", "text_pair": "q", "choices": ["a", "b"], "target": "right"}
    for file, chosen in (("train.tsv", ["a", "b"]), ("dev.jsonl", "list")):
        found = own(
            tmp_path,
            **shared,
            files={"train": file, "dev": file},
            columns=columns | {"choices": chosen},
        )
        assert found.examples[0] == Example("train", "0", "Once.", "And?", ("X.", "Y."), 1.0)


def test_a_split_whose_labels_are_all_kept_back_has_no_targets(reviews: Path) -> None:
    (reviews / "dev.csv").write_text("review,stars\nSo so.,bad\n")
    (reviews / "test.jsonl").write_text('{"review": "Fine."}\n{"review": "Well."}\n')
    files = OWN["files"] | {"dev": "dev.csv"}
    assert [e.target for e in own(reviews, files=files).examples] == [1.0, 0.0, None, None, 0.0]


def test_a_task_of_which_nothing_could_be_scored_is_refused(reviews: Path) -> None:
    (reviews / "test.jsonl").write_text('{"review": "Fine."}\n')
    with pytest.raises(UserError, match="only train has labels, so nothing can be scored"):
        own(reviews)


@pytest.mark.parametrize("value", ["5", "null", '["No."]', '{"a": 1}'])
def test_a_value_that_is_no_text_is_never_read_as_one(reviews: Path, value: str) -> None:
    (reviews / "test.jsonl").write_text(f'{{"review": {value}, "stars": "good"}}\n')
    with pytest.raises(UserError, match=r"test\.jsonl, line 1: .*review"):
        own(reviews)


def test_choices_that_are_no_list_of_texts_are_refused(tmp_path: Path) -> None:
    for value in ('"XY"', "[1, 2]"):
        (tmp_path / "all.jsonl").write_text(f'{{"q": "Once.", "list": {value}, "right": "a"}}\n')
        with pytest.raises(UserError, match=r"all\.jsonl, line 1: column list holds .* not a"):
            own(
                tmp_path,
                shape="multiple_choice",
                labels=["a", "b"],
                metrics=["accuracy"],
                files={"train": "all.jsonl", "dev": "all.jsonl"},
                columns={"text": "q", "choices": "list", "target": "right"},
            )


@pytest.mark.parametrize("value", ["inf", "five", "1e999"])
def test_a_score_that_is_no_finite_number_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "all.csv").write_text(f"review,stars\nGood.,0.5\nBad.,{value}\n")
    files = {"train": "all.csv", "dev": "all.csv"}
    with pytest.raises(
        UserError, match=rf"all\.csv, line 3: the score '{value}' is not a finite number"
    ):
        own(tmp_path, shape="regression", labels=[], metrics=["pearson"], files=files)


def test_a_score_of_minus_one_is_a_score(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("review,stars\nGood.,0.5\nBad.,-1\n")
    files = {"train": "all.csv", "dev": "all.csv"}
    found = own(tmp_path, shape="regression", labels=[], metrics=["pearson"], files=files)
    assert [e.target for e in found.examples] == [0.5, -1.0, 0.5, -1.0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"labels": ["bad", "fine"]},
            r"train\.csv, line 2: unknown label 'good'; the labels of reviews are bad, fine",
        ),
        ({"metrics": ["f2"]}, r"tasks\.reviews\.metrics: 'f2' is none of accuracy, f1"),
        (
            {"metrics": ["pearson"]},
            "'pearson' is none of .* valid for classification with 2 labels",
        ),
        ({"metrics": ["f1"], "labels": ["bad", "so so", "good"]}, "'f1' is none of accuracy, f1_m"),
        (
            {"metrics": ["accuracy"], "shape": "regression", "labels": []},
            "'accuracy' is none of pearson, spearman",
        ),
        ({"columns": {"txt": "review"}}, r"columns: unknown key txt; did you mean text\?"),
        ({"columns": {"text": "body", "target": "stars"}}, r"no column body .* review, stars"),
        ({"files": {"train": "train.csv"}}, "files needs train, and dev or test"),
        ({"files": {"train": "a.csv", "dev": "b.csv"}}, r"a\.csv: no such file"),
        ({"files": {"train": "../x.csv", "dev": "b.csv"}}, r"\.\./x\.csv: lies outside"),
        ({"labels": ["good", "good"]}, r"params\.yaml: tasks\.reviews\.labels has 'good' twice"),
        ({"labels": ["good"]}, "classification needs two labels or more"),
        ({"shape": "ranking"}, r"tasks\.reviews\.shape = 'ranking'"),
    ],
)
def test_a_wrong_declaration_is_one_clear_line(
    reviews: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        own(reviews, **changed)
    assert "\n" not in str(error.value)


COLUMNS = "columns: {text: review, target: stars}\n"
FILES = "files: {train: train.csv, dev: train.csv}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (COLUMNS + "files: {train: [a.csv, b.csv], dev: d.csv}", r"files\.train is \['a\.csv', 'b"),
        (COLUMNS + "files: {train: , dev: d.csv}", r"files\.train is None, not the name of a file"),
        (COLUMNS + "files: {train: 5, dev: d.csv}", r"files\.train is 5, not the name of a file"),
        (COLUMNS + "files: {train: {}, dev: d.csv}", r"files\.train is \{\}, not the name of a f"),
        (COLUMNS + "files: {train: {a: {b: c.csv}}, dev: d.csv}", r"files\.train\.a is \{'b'"),
        (COLUMNS + "files: {train: {1: c.csv}, dev: d.csv}", r"files\.train has the key 1, which"),
        (COLUMNS + "files: {1: c.csv, dev: d.csv}", "files has the key 1, which is no text"),
        (COLUMNS + FILES + "at: 2020-99-99", "not YAML: month must be in"),
        (COLUMNS + FILES + "at: 5", "at is 5, not an address"),
        (COLUMNS + FILES + "labels: 2", "labels is 2, not a list of texts"),
        (COLUMNS + FILES + 'labels: "01"', "labels is '01', not a list of texts"),
        (COLUMNS + FILES + 'labels: ["0"]', "labels has '0' alone"),
        (COLUMNS + FILES + 'labels: ["0", "0"]', "labels has '0' twice"),
        (COLUMNS + FILES + 'labels: ["0", "1", "2"]', "labels has 3, the task reviews has 2"),
    ],
)
def test_a_wrong_source_file_is_one_line_that_names_file_and_key(
    reviews: Path, text: str, said: str
) -> None:
    (reviews / "task.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"/task\.yaml: {said}") as error:
        own(reviews / "task.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("column", ["5", "[review]"])
def test_a_column_that_is_no_text_is_refused(reviews: Path, column: str) -> None:
    (reviews / "task.yaml").write_text(f"{FILES}columns: {{text: {column}, target: stars}}\n")
    with pytest.raises(UserError, match=r"columns\.text is .*, not a text"):
        own(reviews / "task.yaml")


def test_labels_of_a_source_file_are_those_of_the_files_in_ones_own_task_too(
    reviews: Path,
) -> None:
    (reviews / "all.csv").write_text("review,stars\nNice.,1\nNo.,0\n")
    files = "files: {train: all.csv, dev: all.csv}\n"
    (reviews / "task.yaml").write_text(COLUMNS + files + 'labels: ["0", "1"]\n')
    found = own(reviews / "task.yaml")
    assert found.task.labels == ("bad", "good")
    assert [each.target for each in found.examples] == [1.0, 0.0, 1.0, 0.0]


def test_a_file_may_be_a_link_to_a_cache(reviews: Path, tmp_path_factory: Any) -> None:
    expected = own(reviews).examples
    cached = (reviews / "train.csv").rename(tmp_path_factory.mktemp("cache") / "ab12")
    (reviews / "train.csv").symlink_to(cached)
    assert own(reviews).examples == expected


@pytest.mark.parametrize("name", ["train.csv", "train.tsv"])
@pytest.mark.parametrize("blank", ["\n", "  \r\n", "\n\n", "\ufeff\n"])
def test_the_header_is_the_first_line_that_is_not_blank(
    reviews: Path, name: str, blank: str
) -> None:
    text = f"{blank}review,stars\nGood.,good\n".replace(",", "," if name[-3] == "c" else "\t")
    (reviews / name).write_text(text, newline="")
    found = own(reviews, files={"train": name, "test": "test.jsonl"})
    assert found.examples[0] == Example("train", "0", "Good.", target=1.0)
    (reviews / name).write_text(f"{blank}review;stars\nGood.;good\n", newline="")
    line = blank.count("\n") + 1
    with pytest.raises(UserError, match=rf"{name}, line {line}: semicolons separate"):
        own(reviews, files={"train": name, "test": "test.jsonl"})


def test_glues_header_may_follow_a_blank_line(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("\na\tb\n1\t2\n")
    assert [row.values for row in tsv_rows(tmp_path / "a.tsv")] == [{"a": "1", "b": "2"}]


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A local mirror in the hub's layout; its address."""
    folder = tmp_path / "datasets/nyu-mll/glue/resolve/bcdcba79/rte"
    folder.mkdir(parents=True)
    for name, content in rte().items():
        (folder / name).write_bytes(content)
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/datasets/nyu-mll/glue/resolve/bcdcba79/rte"
    server.shutdown()
    server.server_close()


def rte() -> dict[str, bytes]:
    """The hub's files of RTE, two rows each."""
    files = {}
    for split, labels in (("train", [0, 1]), ("validation", [1, 0]), ("test", [-1, -1])):
        columns = {
            "sentence1": ["A.", "C."],
            "sentence2": ["B.", "D."],
            "label": labels,
            "idx": [0, 1],
        }
        content = io.BytesIO()
        pq.write_table(pa.table(columns), content)
        files[f"{split}-00000-of-00001.parquet"] = content.getvalue()
    return files


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def source_file(folder: Path, address: str) -> Path:
    path = folder / "rte.yaml"
    path.write_text(
        f"""files:
  train: {address}/train-00000-of-00001.parquet
  dev: {address}/validation-00000-of-00001.parquet
  test: {address}/test-00000-of-00001.parquet
columns: {{text: sentence1, text_pair: sentence2, target: label, id: idx}}
labels: ["0", "1"]
"""
    )
    return path


def test_a_task_of_the_paper_is_read_from_addresses(mirror: str, tmp_path: Path) -> None:
    found = load.official("rte", source_file(tmp_path, mirror))
    assert found.examples == [
        Example("train", "0", "A.", "B.", target=0.0),
        Example("train", "1", "C.", "D.", target=1.0),
        Example("dev", "0", "A.", "B.", target=1.0),
        Example("dev", "1", "C.", "D.", target=0.0),
        Example("test", "0", "A.", "B."),
        Example("test", "1", "C.", "D."),
    ]
    assert found.task.labels == ("entailment", "not_entailment")


def test_a_task_of_the_paper_is_read_from_the_hub_at_the_revision_that_is_shipped(
    tmp_path: Path,
) -> None:
    above = read_source_file(HUB / "rte.yaml").at.removeprefix("hf://datasets/")
    script = (
        "import sys; from pathlib import Path; from gpt1.tasks import load, table\n"
        "print(table.split_sizes(load.official('rte', Path(sys.argv[1])).examples))"
    )
    files = {f"{above}/{name}": content for name, content in rte().items()}
    said = hub.python(script, str(HUB / "rte.yaml"), files=files, home=tmp_path)
    assert said.strip() == str({"train": 2, "dev": 2, "test": 2})


HUB = Path(__file__).parents[4] / "hub"


TASKS = sorted(path for path in HUB.glob("*.yaml") if path.stem in registry.TASKS)


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.stem)
def test_every_task_of_the_hub_is_read_from_a_mirror_of_its_layout(
    path: Path, tmp_path: Path
) -> None:
    found = read_source_file(path)
    revision = found.at.removeprefix("hf://datasets/")
    assert len(revision.partition("@")[2].split("/")[0]) == 40
    for address, rows in hub.task_tables(path, path.stem).items():
        file = tmp_path / address.removeprefix("hf://")
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, file)
    mirrored = tmp_path / path.name
    mirrored.write_text(path.read_text().replace("hf://", f"file://{tmp_path}/"))
    loaded = load.official(path.stem, mirrored)
    assert set(table.split_sizes(loaded.examples)) == set(found.files)
    labelled = {e.split for e in loaded.examples if e.target is not None}
    assert {"train", "dev"} <= {split.split("_")[0] for split in labelled}
    hidden_splits = {e.split for e in loaded.examples if e.target is None}
    assert bool(hidden_splits) == ("glue" in revision)
    assert {e.group for e in loaded.examples} == (
        {"middle", "high"} if path.stem == "race" else {None}
    )


def test_an_address_that_cannot_be_read_is_named(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"http://.*/gone/train-.*: cannot be read"):
        load.official("rte", source_file(tmp_path, f"{mirror}/gone"))


def test_a_hub_address_without_a_commit_is_refused(tmp_path: Path) -> None:
    path = source_file(tmp_path, "hf://datasets/nyu-mll/glue/rte")
    with pytest.raises(
        UserError,
        match=r"rte\.yaml: files\.train does not have a whole hash of a commit; pin hf",
    ):
        load.official("rte", path)
