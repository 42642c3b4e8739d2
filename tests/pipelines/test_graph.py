import pytest

from gpt1.errors import UserError
from pipelines.graph import graph

STAGES = {
    "books": {"cmd": "echo > books", "outs": ["books"]},
    "task": {
        "matrix": {"task": ["rte", "sst"]},
        "cmd": "cp books ${item.task}",
        "deps": ["books"],
        "outs": ["${item.task}"],
        "meta": {"cpu": 2, "memory": 0.5},
    },
    "report": {"cmd": "cat rte sst > report", "deps": ["rte", "sst"], "outs": ["report"]},
}


def test_the_graph_is_dvcs_own_every_stage_after_what_it_hangs_on(project):
    project.write(STAGES)
    stages = graph.load(graph.open_project()).stages
    assert list(stages) == ["books", "task@rte", "task@sst", "report"]
    assert stages["report"].upstream == {"task@rte", "task@sst"}
    assert stages["task@rte"].needs == graph.Needs(cpu=2, memory=0.5)
    assert stages["books"].needs == graph.Needs()


def test_a_stage_keeps_the_threads_of_its_params_busy_unless_it_says_otherwise(project):
    params = {"tune": {"a": {"threads": 4}, "b": {"threads": 2}}, "read": {"threads": 3}}
    cell = {"matrix": {"t": ["a", "b"]}, "cmd": "true", "params": ["tune.${item.t}"]}
    stages = {
        "cell": cell,
        "read": {"cmd": "true", "params": ["read.threads"]},
        "says": {"cmd": "true", "params": ["tune.a"], "meta": {"cpu": 1}},
    }
    project.write(stages, **params)
    found = graph.load(graph.open_project()).stages
    cores = {name: stage.needs.cpu for name, stage in found.items()}
    assert cores == {"cell@a": 4, "cell@b": 2, "read": 3, "says": 1}


def test_a_stage_of_several_processes_needs_as_much_for_each(project, monkeypatch):
    monkeypatch.setenv("GPT1_NPROC", "3")
    meta = {"cpu": 2, "gpu": 1}
    stages = {"many": meta | {"processes": True}, "one": meta}
    project.write({name: {"cmd": "true", "meta": needs} for name, needs in stages.items()})
    found = graph.load(graph.open_project()).stages
    assert {n: (s.needs.cpu, s.needs.gpu) for n, s in found.items()} == {
        "many": (6, 3),
        "one": (2, 1),
    }


def test_downstream_and_upstream_are_transitive(project):
    project.write(STAGES)
    found = graph.load(graph.open_project())
    assert found.downstream(["books"]) == set(found.stages)
    assert found.downstream(["task@rte"]) == {"task@rte", "report"}
    assert found.upstream(["task@rte"]) == {"task@rte", "books"}


def test_a_chain_ends_where_a_stage_has_two_behind_it_waits_for_two_or_needs_more():
    needs, heavy = graph.Needs(), graph.Needs(gpu=1)
    edges = {"a": ((), heavy), "b": ("a", needs), "c": ("b", needs), "d": ("b", needs)}
    edges |= {"e": ("d", needs), "f": ("ce", needs), "g": ("f", heavy)}
    stages = {n: graph.Stage(n, "", frozenset(up), (), need) for n, (up, need) in edges.items()}
    chain = graph.Graph(stages).chain
    assert [chain(name, stages) for name in "abcdef"] == [
        ["a", "b"], ["b"], ["c"], ["d", "e"], ["e"], ["f"]
    ]  # fmt: skip
    assert chain("b", "abcf") == ["b", "c", "f"], "what does not run counts for nothing"


@pytest.mark.parametrize("meta", [{"cpus": 2}, {"cpu": -1}, {"cpu": "two"}])
def test_a_wrong_need_is_one_line_that_names_the_stage_and_the_key(project, meta):
    project.write({"s": {"cmd": "true", "meta": meta}})
    with pytest.raises(UserError, match=rf"dvc.yaml: meta of s: {next(iter(meta))}") as error:
        graph.load(graph.open_project())
    assert "\n" not in str(error.value)


def test_a_folder_without_a_project_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no DVC project here"):
        graph.open_project(tmp_path)


def test_a_project_without_git_is_one_line(project):
    (project.root / ".git").rename(project.root / "elsewhere")
    with pytest.raises(UserError, match="no git repository here"):
        graph.open_project(project.root)


def test_a_mistake_in_dvc_yaml_is_one_line(project):
    project.write({"s": {"cmd": "echo ${missing.key}"}})
    with pytest.raises(UserError, match="missing") as error:
        graph.load(graph.open_project())
    assert "\n" not in str(error.value)
