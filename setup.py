"""Build the wheel, whose only top-level package is `gpt1`.

In the repository `gpt1/`, `stages/` and `pipelines/` stand side by side. A wheel must not put such
general names as the last two into everybody's site-packages: there they are `gpt1._stages` and
`gpt1._pipelines`, and the import statements say so. `gpt1/_project` holds what `gpt1 init` lays
out. An editable install leaves everything where it is.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

IMPORT = re.compile(r"^( *from )(stages|pipelines)\b", re.MULTILINE)
PROJECT = ["dvc.yaml", "params.yaml", "params.schema.json", "corpora", "hub", "profiles"]
PROJECT += [".gitignore", ".dvcignore", ".dvc/.gitignore", ".dvc/config"]


class Build(build_py):
    """Copies the packages, and moves those that are not `gpt1` below it."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)  # what is gone must not be packed
        super().run()
        if self.editable_mode:
            return
        gpt1 = Path(self.build_lib, "gpt1")
        for name in ("stages", "pipelines"):
            shutil.rmtree(gpt1 / f"_{name}", ignore_errors=True)
            gpt1.with_name(name).rename(gpt1 / f"_{name}")
        for file in gpt1.rglob("*.py"):
            file.write_text(IMPORT.sub(r"\1gpt1._\2", file.read_text("utf-8")), "utf-8")
        for name in PROJECT:
            target = gpt1 / "_project" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                shutil.copytree(name, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(name, target)


class Wheel(bdist_wheel):
    """Has the metadata name the one package that is left at the top."""

    def egg2dist(self, egginfo_path: str, distinfo_path: str) -> None:
        super().egg2dist(egginfo_path, distinfo_path)
        Path(distinfo_path, "top_level.txt").write_text("gpt1\n", "utf-8")


setup(cmdclass={"build_py": Build, "bdist_wheel": Wheel})
