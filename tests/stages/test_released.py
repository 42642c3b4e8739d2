"""`profiles/released.yaml`: released weights to the tasks, with no corpus at all."""

import json
import math
import string

import numpy as np
import pytest

from gpt1 import params
from gpt1.tasks.registry import TASKS
from pipelines.graph import graph
from tests.conftest import ROOT

TWELVE = set(TASKS) - {"wnli", "dprd", "winograd", "blimp", "blimp_supplement"}


@pytest.fixture
def profile(workspace):
    """The project with that profile active, and no books in it."""
    values = workspace.read(ROOT / "profiles/released.yaml")
    workspace.dump(values, "params.yaml")
    return values


def test_its_graph_leads_from_the_weights_to_the_twelve_tasks_and_has_no_corpus(workspace, profile):
    params.check(profile)
    assert set(profile["compare"]["tasks"]) == TWELVE
    kinds = {name.partition("@")[0] for name in graph.load(graph.open_project()).stages}
    ours = {"task", "kept_weights", "tokens", "finetune", "evaluate", "report"}
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


def test_its_recipe_is_the_paper_s(profile):
    for name in TWELVE:
        section = params.parse(params.Finetune, profile["finetune"][name], name)
        assert params.differences(section) == {}


@pytest.mark.slow
def test_random_weights_in_the_released_layout_go_all_the_way_to_the_report(
    workspace, profile, databases
):
    workspace.lay_out(databases)
    profile["compare"]["tasks"] = ["rte"]
    profile["tasks"] = {"rte": {"path": "real/glue_data"}}
    profile["finetune"] = {"rte": profile["finetune"]["rte"] | {"epochs": 1, "threads": 1}}
    workspace.dump(profile, "params.yaml")
    write_released(workspace.root / "released/model")
    rows = "index\tsentence1\tsentence2\tlabel\n" + "".join(
        f"{i}\tthe dog ran\tan animal ran\t{label}\n"
        for i, label in enumerate(["entailment", "not_entailment"] * 4)
    )
    (workspace.root / "real/glue_data/RTE").mkdir(parents=True)
    for split in ("train", "dev"):
        (workspace.root / f"real/glue_data/RTE/{split}.tsv").write_text(rows)
    workspace.dvc("repro")
    assert "rte" in (workspace.root / "report/report.md").read_text()
    assert not (workspace.root / "data/raw").exists()


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
