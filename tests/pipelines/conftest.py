import os
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from pipelines import graph


class Project:
    """A small DVC project of shell commands, real git and real DVC."""

    def __init__(self, root):
        self.root = root
        self.run("git", "init", "-q")
        self.dvc("init", "-q")
        for name in ("analytics", "check_update"):
            self.dvc("config", f"core.{name}", "false")
        (root / ".gitignore").write_text(".work/\n.prefect/\n.mlflow/\n")

    def write(self, stages, **params):
        yaml = YAML()
        yaml.dump({"stages": stages}, self.root / "dvc.yaml")
        yaml.dump(params or {"a": 1}, self.root / "params.yaml")

    def run(self, *command, check=True, **options):
        environment = os.environ | {"PATH": self.path, "DVC_NO_ANALYTICS": "1"}
        return subprocess.run(
            command,
            cwd=self.root,
            env=environment,
            check=check,
            text=True,
            capture_output=True,
            **options,
        )

    def dvc(self, *arguments, **options):
        return self.run(sys.executable, "-m", "dvc", *arguments, **options)

    def gpt1(self, *arguments, **options):
        return self.run(sys.executable, "-m", "pipelines.cli", *arguments, **options)

    @property
    def path(self):
        return os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])

    @property
    def repo(self):
        return graph.open_project(self.root)

    @property
    def lock(self):
        return YAML(typ="safe").load(self.root / "dvc.lock")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)
