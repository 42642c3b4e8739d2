"""From any file or run back to the raw books, and forward to what was made from it."""

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.tree import Tree

from gpt1.errors import UserError
from pipelines import commands, graph, lockfile, records
from pipelines.records import Records

Content = tuple[str, tuple[tuple[str, str], ...]]
"""A stage, and what it made."""
RUN = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True)
class Making:
    """One execution of a stage: the content that it read and made, path -> DVC hash."""

    stage: str
    run: str | None
    """The MLflow run, where one is known."""
    commit: str
    began: float
    """When the run did, in ms since 1970; infinite where none is known: what is there now."""
    deps: dict[str, str]
    outs: dict[str, str]

    @property
    def content(self) -> Content:
        return self.stage, tuple(sorted(self.outs.items()))

    @property
    def title(self) -> str:
        known = f"  run {self.run[:12]}" if self.run else ""
        return f"{self.stage}{known}" + (f"  commit {self.commit[:12]}" if self.commit else "")


class Lineage:
    """All that was made here, by the lock file as it stands and by every run that MLflow knows."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._records = Records(root)
        self._records.fill_in()
        self._makings = [*self._from_lock(), *self._from_runs()]
        self._by_content = {
            content: making for making in reversed(self._makings) for content in making.outs.items()
        }

    def find(self, target: str) -> Making:
        """The making of a path, or of a run by (the beginning of) its id. Raises UserError."""
        path = os.path.normpath(target)
        for making in self._makings:
            if any(_inside(path, out) for out in making.outs):
                return making
        runs = {m.run: m for m in reversed(self._makings) if m.run and m.run.startswith(target)}
        if RUN.fullmatch(target) and runs:
            if len(runs) > 1:
                raise UserError(f"{target} begins {len(runs)} runs: {', '.join(sorted(runs))}")
            return runs.popitem()[1]
        raise UserError(
            f"{target or chr(34) * 2} is no output of a stage, and no run that MLflow knows"
        )

    def back(self, making: Making) -> Tree:
        """What it was made from, down to what no stage made; of each making once."""
        return self._back(making, [])

    def _back(self, making: Making, told: list[Making]) -> Tree:
        if making in told:
            return Tree(f"{making.title}  (above)")
        told.append(making)
        tree = Tree(making.title)
        for path, digest in making.deps.items():
            if not records.is_code(path):
                branch = tree.add(f"{path}  {digest[:12]}")
                sources = self._makers(path, digest, making.began)
                branch.children += [self._back(source, told) for source in sources]
        return tree

    def forward(self, making: Making) -> Tree:
        """What was made from it; of each making once."""
        return self._forward(making, [])

    def _forward(self, making: Making, told: list[Making]) -> Tree:
        if making in told:
            return Tree(f"{making.title}  (above)")
        told.append(making)
        tree = Tree(making.title)
        tree.children += [self._forward(user, told) for user in self._users.get(making.content, [])]
        return tree

    def sources(self, making: Making) -> list[Making]:
        """`making` and all it was made from."""
        found = [making]
        for each in found:  # which grows
            for path, digest in each.deps.items():
                found += [m for m in self._makers(path, digest, each.began) if m not in found]
        return found

    def checkout(self, making: Making) -> list[str]:
        """Bring back the data of a run and of all it was made from; the stages that were touched.

        Raises UserError when a run left no entry, or neither cache nor remote has the content.
        """
        repo = graph.open_project(self._root)
        living = graph.load(repo).stages
        entries, stages = lockfile.entries(self._root), []
        for source in self.sources(making):
            if source.stage not in living and source != making:  # of a cell that was taken out
                continue
            if source.run:
                entries[source.stage] = self._entry(source.run)
            stages.append(source.stage)
        lockfile.write(self._root, entries)
        has_remote = bool(repo.config["core"].get("remote"))
        commands.dvc(self._root, "pull" if has_remote else "checkout", "--force", *stages)
        return stages

    def kept(self) -> list[Making]:
        """The runs with the tag `keep`, and those below such a run."""
        runs = self._records.runs()
        kept = {run.info.run_id for run in runs if "keep" in run.data.tags}
        kept |= {r.info.run_id for r in runs if r.data.tags.get("mlflow.parentRunId") in kept}
        return [making for making in self._makings if making.run in kept]

    def _entry(self, run: str) -> dict[str, Any]:
        try:
            file = self._records.client.download_artifacts(run, records.ENTRY)
            return dict(json.loads(Path(file).read_text()))
        except Exception as error:  # whatever MLflow raises
            raise UserError(f"run {run} left no {records.ENTRY}: {error}") from None

    def _makers(self, path: str, digest: str, by: float) -> list[Making]:
        """What made this content; else by place: what made the folder around it, or files in it.

        Each stage's last making that began no later than `by`.
        """
        if made := self._by_content.get((path, digest)):
            return [made]
        found: dict[str, Making] = {}
        for making in self._makings:  # the newest first
            others = (out for out in making.outs if out != path)
            near = any(_inside(path, out) or _inside(out, path) for out in others)
            if near and making.began <= by:
                found.setdefault(making.stage, making)
        return list(found.values())

    @cached_property
    def _users(self) -> dict[Content, list[Making]]:
        """What was made from each content, the newest making of every stage."""
        found: dict[Content, list[Making]] = {}
        for user in self._makings:
            for path, digest in user.deps.items():
                makers = [] if records.is_code(path) else self._makers(path, digest, user.began)
                for maker in makers:
                    users = found.setdefault(maker.content, [])
                    if all(user.stage != other.stage for other in users):
                        users.append(user)
        return found

    def _from_lock(self) -> Iterator[Making]:
        makers = self._records.makers()
        runs = {run.info.run_id: run for run in self._records.runs()}
        for stage, entry in lockfile.entries(self._root).items():
            run = runs.get(makers.get(stage, ""))
            deps, outs = lockfile.hashes(entry, "deps"), lockfile.hashes(entry, "outs")
            if run:
                yield Making(stage, run.info.run_id, _commit(run), run.info.start_time, deps, outs)
            else:
                yield Making(stage, None, "", math.inf, deps, outs)

    def _from_runs(self) -> Iterator[Making]:
        for run in self._records.runs():
            if outs := records.made(run):
                stage = run.data.tags["stage"]
                began, deps = run.info.start_time, records.read(run)
                yield Making(stage, run.info.run_id, _commit(run), began, deps, outs)


def _commit(run: Any) -> str:
    return str(run.data.tags.get("mlflow.source.git.commit", ""))


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
