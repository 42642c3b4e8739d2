"""The lineage of a file or an MLflow run: back to the raw books, forward to what used it."""

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.tree import Tree

from gpt1.errors import UserError
from pipelines import extension
from pipelines.execution import commands, lockfile
from pipelines.graph import graph
from pipelines.history import records
from pipelines.history.records import OutputKey, Records

if TYPE_CHECKING:
    from mlflow.entities import Run

RUN_ID = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True)
class Execution:
    """One execution of a stage, with what it read and wrote: path -> DVC hash."""

    stage: str
    run: str | None
    """The id of its MLflow run, if one is known."""
    commit: str
    started: float
    """The start of the run in ms since 1970; infinite without a run: the files as they are now."""
    deps: dict[str, str]
    outs: dict[str, str]

    @property
    def key(self) -> OutputKey:
        return self.stage, frozenset(self.outs.items())

    @property
    def title(self) -> str:
        known = f"  run {self.run[:12]}" if self.run else ""
        return f"{self.stage}{known}" + (f"  commit {self.commit[:12]}" if self.commit else "")


class Lineage:
    """Every execution in the lock file and in MLflow, those of the lock file first, then newest."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._records = Records(root)
        self._records.backfill_hashes()
        self._executions = [*self._from_lock(), *self._from_runs()]
        self._by_output = {
            output: execution
            for execution in reversed(self._executions)
            for output in execution.outs.items()
        }

    def find(self, target: str) -> Execution:
        """The execution that wrote a path, or that of a run by (the beginning of) its id.

        A path is absolute, or below the root. Raises UserError when there is none, or several runs
        begin so.
        """
        path = os.path.relpath(self._root / target, self._root)
        for execution in self._executions:
            if any(_inside(path, out) for out in execution.outs):
                return execution
        runs = {e.run: e for e in reversed(self._executions) if e.run and e.run.startswith(target)}
        if RUN_ID.fullmatch(target) and runs:
            if len(runs) > 1:
                raise UserError(f"{target} matches {len(runs)} runs: {', '.join(sorted(runs))}")
            return runs.popitem()[1]
        raise UserError(
            f"{target or chr(34) * 2} is neither an output of a stage nor a run that MLflow knows"
        )

    def back(self, execution: Execution) -> Tree:
        """What `execution` read, down to files that no stage wrote; each execution once."""
        return self._back(execution, [])

    def _back(self, execution: Execution, shown: list[Execution]) -> Tree:
        if execution in shown:
            return Tree(f"{execution.title}  (above)")
        shown.append(execution)
        tree = Tree(execution.title)
        for path, digest in execution.deps.items():
            if not extension.is_code(path):
                branch = tree.add(f"{path}  {digest[:12]}")
                producers = self.producers(path, digest, execution.started)
                branch.children += [self._back(producer, shown) for producer in producers]
        return tree

    def forward(self, execution: Execution) -> Tree:
        """The executions that read the outputs of `execution`, and so on; each once."""
        return self._forward(execution, [])

    def _forward(self, execution: Execution, shown: list[Execution]) -> Tree:
        if execution in shown:
            return Tree(f"{execution.title}  (above)")
        shown.append(execution)
        tree = Tree(execution.title)
        readers = self._readers.get(execution.key, [])
        tree.children += [self._forward(reader, shown) for reader in readers]
        return tree

    def upstream(self, execution: Execution) -> list[Execution]:
        """`execution` and all executions that its inputs come from, directly or not."""
        found = [execution]
        for each in found:  # the list grows meanwhile
            for path, digest in each.deps.items():
                producers = self.producers(path, digest, each.started)
                found += [producer for producer in producers if producer not in found]
        return found

    def checkout(self, execution: Execution) -> list[str]:
        """Bring back the data of a run and of everything upstream; returns the stages concerned.

        Raises UserError when a run has no lock entry, or neither cache nor remote has the data.
        """
        repo = graph.open_project(self._root)
        stages_now = graph.load(repo).stages
        entries, stages = lockfile.entries(self._root), []
        for each in self.upstream(execution):
            if each.stage not in stages_now and each != execution:  # since removed from a matrix
                continue
            if each.run:
                entries[each.stage] = self._entry(each.run)
            stages.append(each.stage)
        lockfile.write(self._root, entries)
        has_remote = bool(repo.config["core"].get("remote"))
        commands.dvc(self._root, "pull" if has_remote else "checkout", "--force", *stages)
        return stages

    def kept(self) -> list[Execution]:
        """The executions of runs with the tag `keep`, and of runs below such a run."""
        runs = self._records.runs()
        kept = {run.info.run_id for run in runs if "keep" in run.data.tags}
        kept |= {r.info.run_id for r in runs if r.data.tags.get("mlflow.parentRunId") in kept}
        return [execution for execution in self._executions if execution.run in kept]

    def _entry(self, run: str) -> lockfile.Entry:
        try:
            file = self._records.client.download_artifacts(run, records.ENTRY)
            return dict(json.loads(Path(file).read_text()))
        except Exception as error:  # MLflow raises many kinds
            raise UserError(f"run {run} left no {records.ENTRY}: {error}") from None

    def producers(self, path: str, digest: str, before: float) -> list[Execution]:
        """The executions that wrote `path` with the hash `digest`; else those that did nearby."""
        exact = self._by_output.get((path, digest))
        return [exact] if exact else self._producers_nearby(path, before)

    def _producers_nearby(self, path: str, before: float) -> list[Execution]:
        """Who wrote the folder around `path`, or files in it: for a dep that is no whole output.

        Of each stage the last execution that started no later than `before`, when the reader did;
        of a stage that keeps no runs the files as they are now.
        Example: the report reads the folder `metrics/`, whose hash no stage wrote. Its producers
        are the last `evaluate@...` of each task before that report, not the ones of today.
        """
        found: dict[str, Execution] = {}
        now: dict[str, Execution] = {}
        for execution in self._executions:  # newest first
            others = (out for out in execution.outs if out != path)
            if any(_inside(path, out) or _inside(out, path) for out in others):
                if execution.started <= before:
                    found.setdefault(execution.stage, execution)
                elif not execution.run:
                    now[execution.stage] = execution
        return list((now | found).values())

    @cached_property
    def _readers(self) -> dict[OutputKey, list[Execution]]:
        """The executions that read each output: of each stage the newest one.

        Example: a model was evaluated twice, the second time after a change of the metric. Forward
        from the model shows the second evaluation alone. One pass over all executions: asked for
        each execution anew, it would be quadratic in their number.
        """
        found: dict[OutputKey, list[Execution]] = {}
        for reader in self._executions:
            for path, digest in reader.deps.items():
                if extension.is_code(path):
                    continue
                for producer in self.producers(path, digest, reader.started):
                    readers = found.setdefault(producer.key, [])
                    if all(reader.stage != other.stage for other in readers):
                        readers.append(reader)
        return found

    def _from_lock(self) -> Iterator[Execution]:
        """The files as they are now, each with the run that wrote them, if one is known."""
        producers = self._records.producers()
        runs = {run.info.run_id: run for run in self._records.runs()}
        for stage, entry in lockfile.entries(self._root).items():
            run = runs.get(producers.get(stage, ""))
            deps, outs = lockfile.hashes(entry, "deps"), lockfile.hashes(entry, "outs")
            if run:
                yield _execution(run, stage, deps, outs)
            else:
                yield Execution(stage, None, "", math.inf, deps, outs)

    def _from_runs(self) -> Iterator[Execution]:
        for run in self._records.runs():
            if outs := records.outputs_of(run):
                yield _execution(run, run.data.tags["stage"], records.inputs_of(run), outs)


def _execution(run: "Run", stage: str, deps: dict[str, str], outs: dict[str, str]) -> Execution:
    commit = str(run.data.tags.get("mlflow.source.git.commit", ""))
    return Execution(stage, run.info.run_id, commit, run.info.start_time, deps, outs)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
