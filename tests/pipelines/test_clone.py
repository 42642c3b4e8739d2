"""The clone in which a worker runs stages."""

import subprocess

import pytest

from gpt1.errors import UserError
from pipelines.execution.clone import check_out, clean, own_clone, project_id
from pipelines.execution.workspace import exclusive_lock
from pipelines.graph.graph import open_project
from pipelines.history.prune import shares_cache
from tests.pipelines.test_machines import clone, commit


@pytest.fixture
def project(project):
    project.write({"copy": {"cmd": "cp in out", "deps": ["in"], "outs": ["out"]}})
    commit(project)
    return project


def head(project):
    return project.run("git", "rev-parse", "HEAD").stdout.strip()


def test_it_has_the_remotes_and_the_cache_of_the_clone_around_it(project, tmp_path_factory):
    project.dvc("remote", "add", "-d", "near", "../books")  # relative to the project
    project.dvc("remote", "add", "far", "s3://bucket/far")
    commit(project)
    there = clone(project, tmp_path_factory.mktemp("clones") / "there")
    there.dvc("remote", "modify", "--local", "far", "secret_access_key", "x")
    there.run("git", "remote", "set-url", "origin", "../../" + project.root.name)
    outer = open_project(there.root)
    with own_clone(outer, "cpu") as root:
        assert root.is_relative_to(there.root / ".work")
        config = open_project(root).config
        assert config["remote"]["near"]["url"] == str(there.root.parent / "books")
        assert config["remote"]["far"] == outer.config["remote"]["far"]
        assert config["remote"]["far"]["secret_access_key"] == "x"
        assert config["core"]["remote"] == "near"
        assert config["cache"]["dir"] == str(there.root / ".dvc" / "cache")
        origin = ["git", "-C", root, "remote", "get-url", "origin"]
        here = subprocess.run(origin, capture_output=True, check=True, text=True).stdout.strip()
        assert here == str(there.root.parents[1] / project.root.name)


def test_one_worker_is_in_it_and_beside_it_another_of_another_name(project):
    repo = open_project()
    busy = pytest.raises(UserError, match="another `gpt1 work gpu` is at work here")
    with own_clone(repo, "cpu") as root, own_clone(repo, "gpu"), busy, own_clone(repo, "gpu"):
        pass
    left = pytest.raises(UserError, match="another `gpt1 run` is at work here")
    with exclusive_lock(open_project(root)), left, own_clone(repo, "cpu"):
        pass
    with own_clone(open_project(), "gpu"):
        pass


def test_the_cache_that_it_shares_is_not_pruned(project):
    repo = open_project()
    with own_clone(repo, "cpu"):
        assert shares_cache(repo)
    assert not shares_cache(repo)


def test_it_gets_commits_from_the_origin_and_from_the_clone_around_it(project, tmp_path_factory):
    there = clone(project, tmp_path_factory.mktemp("clones") / "there")
    with own_clone(open_project(there.root), "cpu") as root:
        (root / "dvc.yaml").write_text("edited")
        for made_in in (project, there):
            made_in.run("git", "checkout", "-q", "--detach")
            made_in.write({"new": {"cmd": "true"}}, b=made_in is there)
            commit(made_in)
            check_out(root, head(made_in))
            for name in ("dvc.yaml", "params.yaml"):
                assert (root / name).read_text() == (made_in.root / name).read_text()
        with pytest.raises(UserError, match=r"the commit 12121212 is not in .*: `git push` it"):
            check_out(root, "12" * 20)


def test_what_an_earlier_commit_left_is_removed_and_what_is_needed_stays(project):
    with own_clone(open_project(), "cpu") as root:
        kept = ["out", "data/a b[1].txt", "data/deep/all", "dvc.yaml", ".work/state/1"]
        for name in [*kept, "data/deep/old", "data/a b1.txt", "old/out", "left"]:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        clean(root, kept[:3])
        assert all((root / name).exists() for name in [*kept, ".dvc/config.local"])
        found = {path.name for path in root.rglob("*") if ".git" not in path.parts}
        assert not found & {"old", "a b1.txt", "left"}


def test_the_clones_of_a_project_have_one_id_and_no_other_project_has_it(
    project, new_project, tmp_path_factory
):
    clones = tmp_path_factory.mktemp("clones")
    there = clone(project, clones / "there")
    there.write({"new": {"cmd": "true"}})
    commit(there)
    other = new_project()
    other.write({"other": {"cmd": "true"}})
    commit(other)
    assert project_id(there.root) == project_id(project.root) == head(project)[:8]
    assert project_id(other.root) != project_id(project.root)
    inner = other.root / "some folder" / "inner"
    inner.mkdir(parents=True)
    assert project_id(inner) == f"{project_id(other.root)}-some-folder-inner"
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", f"file://{there.root}", clones / "shallow"],
        check=True,
    )
    with pytest.raises(UserError, match=r"shallow clone.*git fetch --unshallow"):
        project_id(clones / "shallow")
