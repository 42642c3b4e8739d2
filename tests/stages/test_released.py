"""`profiles/released.yaml`: released weights to the tasks, with no corpus at all."""

import json
import math
import re
import shutil
import string

import numpy as np
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from gpt1 import params
from gpt1.errors import UserError
from gpt1.model.importing import import_model
from gpt1.model.source_file import model_files
from gpt1.tasks.registry import TASKS
from pipelines.graph import graph
from tests.conftest import ROOT
from tests.gpt1 import hub

OF_THE_HUB = set(TASKS) - {"wnli", "dprd", "winograd", "blimp", "blimp_supplement", "story_cloze"}


@pytest.fixture
def profile(workspace):
    """The project with that profile active, and no books in it."""
    values = workspace.read(ROOT / "profiles/released.yaml")
    workspace.dump(values, "params.yaml")
    return values


def test_its_graph_leads_from_the_weights_to_the_tasks_of_the_hub_and_has_no_corpus(
    workspace, profile
):
    params.check(profile)
    assert set(profile["compare"]["tasks"]) == OF_THE_HUB
    assert profile["tasks"] == {name: {"path": f"hub/{name}.yaml"} for name in OF_THE_HUB}
    kinds = {name.partition("@")[0] for name in graph.load(graph.open_project()).stages}
    ours = {"task", "kept_weights", "tokens", "finetune", "finetune_no_auxiliary", "evaluate"}
    ours |= {"report"}
    assert kinds == {"import"} | ours


def test_tokens_wait_for_every_vocabulary_and_for_no_weights(workspace):
    values = workspace.read("params.yaml")
    values["imported"] = {"theirs": {"path": "books"}}
    workspace.dump(values, "params.yaml")
    stages = graph.load(graph.open_project()).stages
    assert stages["tokens@book"].upstream == {"derived_task@book", "bpe@books", "import@theirs"}
    assert stages["finetune@book-gpt-1"].upstream == {
        "derived_task@book",
        "tokens@book",
        "kept_weights@1",
        "pretrain@gpt",
    }


def test_story_cloze_is_there_without_the_marks_of_comments():
    text = (ROOT / "profiles/released.yaml").read_text()
    values = YAML(typ="safe").load(
        re.sub(r"# ((  )?(- )?story_cloze|  (path: real|<<: \*fine))", r"\1", text)
    )
    params.check(values)
    assert values["tasks"]["story_cloze"] == {"path": "real/storycloze"}
    assert {*values["compare"]["tasks"]} == {*values["finetune"]} == OF_THE_HUB | {"story_cloze"}


def test_its_recipe_is_the_paper_s(profile):
    for name in OF_THE_HUB:
        section = params.parse(params.Finetune, profile["finetune"][name], name)
        assert params.differences(section) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "tasks",
    [["rte"], pytest.param(sorted(OF_THE_HUB), marks=pytest.mark.nightly)],
    ids=["rte", "all"],
)
def test_weights_and_tasks_of_the_hub_go_all_the_way_to_the_report(
    workspace, profile, databases, tasks
):
    workspace.lay_out(databases)
    shutil.copytree(ROOT / "hub", workspace.root / "hub")
    profile["compare"]["tasks"] = tasks
    profile["no_auxiliary"]["tasks"] = [t for t in profile["no_auxiliary"]["tasks"] if t in tasks]
    profile["tasks"] = {task: profile["tasks"][task] for task in tasks}
    fast = {"epochs": 1, "threads": 1, "precision": "fp32"}
    profile["finetune"] = {task: profile["finetune"][task] | fast for task in tasks}
    workspace.dump(profile, "params.yaml")
    files = {}
    for task in tasks:
        for address, rows in hub.task_tables(workspace.root / f"hub/{task}.yaml", task).items():
            pq.write_table(rows, workspace.root / "table")
            path = address.removeprefix("hf://datasets/")
            files[path] = (workspace.root / "table").read_bytes()
    source = workspace.read("hub/openai-gpt.yaml")
    write_released(workspace.root / "released")
    import_model(workspace.root / "released", workspace.root / "weights")
    for name in source["files"]:
        path = f"{source['at'].removeprefix('hf://')}/{name}"
        files[path] = (workspace.root / "weights" / name).read_bytes()
    with hub.serving(files, workspace.root / "hub_client") as variables:
        workspace.variables = variables
        workspace.gpt1("run")
    report = (workspace.root / "report/report.md").read_text()
    assert all(f"| {task} |" in report for task in tasks)
    assert not (workspace.root / "data/raw").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "at: hf://o/n\nfiles: [a]",
            "weights.yaml: at does not have a whole hash of a commit; pin",
        ),
        (
            "at: hf://o/n@main\nfiles: [a]",
            "at has main, which can move, not a whole hash of a commit",
        ),
        ("at: hf://o/n@1\nfiles: []", r"files is \[\], not a list of names"),
        ("at: hf://o/n@1\nfiles: [../a]", r"files has '\.\./a', not the name of a file"),
        ("at: hf://o/n@1\nfile: [a]", "unknown key file; did you mean files"),
        ("files: [a]", "at is None, not an address"),
        ("at: file:///nowhere\nfiles: [a]", r"file:///nowhere/a: cannot be read"),
    ],
)
def test_a_wrong_source_file_of_weights_is_one_line_that_names_it(tmp_path, content, message):
    path = tmp_path / "weights.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=message), model_files(path):
        pass


def write_released(folder, layers=1, width=64, context=32):
    """Ten parts that end anywhere, their shapes, and a vocabulary of letters."""
    folder.mkdir(parents=True)
    letters = [*string.ascii_lowercase, *(f"{x}</w>" for x in string.ascii_lowercase)]
    symbols = ["<unk>", *letters, "th", "\n</w>"]
    vocabulary = {symbol: place for place, symbol in enumerate(symbols)}
    (folder / "encoder_bpe_40000.json").write_text(json.dumps(vocabulary))
    (folder / "vocab_40000.bpe").write_text("#version: 0.2\nt h\n")
    linear = [
        (width, 3 * width),
        (width, width),
        None,
        (width, 4 * width),
        (4 * width, width),
        None,
    ]
    layer = []
    for sizes in linear:  # None: a gain and a bias
        layer += [[1, *sizes], [sizes[1]]] if sizes else [[width], [width]]
    shapes = [[context, width], [len(symbols), width], *layer * layers]
    (folder / "params_shapes.json").write_text(json.dumps(shapes))
    whole = np.random.default_rng(0).normal(0, 0.02, sum(map(math.prod, shapes)))
    for part, numbers in enumerate(np.array_split(whole.astype(np.float32), 10)):
        np.save(folder / f"params_{part}.npy", numbers)
