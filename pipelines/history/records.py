"""Add to each MLflow run the DVC hashes of the files that its stage read and wrote.

DVC hashes an output only after its stage has ended, so that a stage cannot log this itself. The
hashes come from `dvc.lock`: by the flow after each stage, and after plain `dvc repro` by the next
command that asks for the lineage.
"""

import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpt1.environment import Environment
from gpt1.errors import UserError
from pipelines import extension
from pipelines.execution import lockfile

if TYPE_CHECKING:
    from mlflow.entities import Run

ENTRY = "lock.json"
"""The artifact with the stage's entry of `dvc.lock`."""
REASON = "reason"
"""The tag with the plan's reason why the stage ran."""
PAGE_SIZE = 1000
OutputKey = tuple[str, frozenset[tuple[str, str]]]
"""A stage with the paths and hashes of its outputs."""


class Records:
    """The MLflow runs of the project at `root`. Raises UserError when MLflow cannot be reached."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = Environment.read().tracking
        try:
            self.client, self.experiment = extension.connect_mlflow(root, self.address)
        except Exception as error:  # MLflow, its database and the network raise many kinds
            reason = str(error).partition("\n")[0][:200]
            where = self.address or extension.mlflow_database(root)
            raise UserError(f"MLflow cannot be reached at {where}: {reason}") from None

    def runs(self, filter_string: str = "") -> list["Run"]:
        """The runs that match MLflow's `filter_string`, newest first."""
        found: list[Run] = []
        token = None
        while token != "":
            page = self.client.search_runs(
                [self.experiment],
                filter_string,
                max_results=PAGE_SIZE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            found += page
            token = page.token or ""
        return found

    def record_stage(self, stage: str, entry: lockfile.Entry, parent: str, reason: str) -> None:
        """Record the hashes of the run of `stage` below the run `parent`, and why it ran."""
        tag = f"tags.stage = '{stage}' and tags.`mlflow.parentRunId` = '{parent}'"
        for run in self.runs(f"{tag} and attributes.status = 'FINISHED'")[:1]:
            self.record_hashes(run, entry)
            self.client.set_tag(run.info.run_id, REASON, reason[:1000])

    def record_hashes(self, run: "Run", entry: lockfile.Entry) -> None:
        """Tag `run` with the DVC hash of each dep and out; log all but code as data sets."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, RunTag

        inputs, tags = [], []
        for kind in ("deps", "outs"):
            for file in entry.get(kind, []):
                path, digest = file["path"], file.get("md5", "")
                tags.append(RunTag(tag_name(kind, path), digest))
                data = Dataset(path, digest, "local", json.dumps({"uri": path}))
                if kind == "outs" or not extension.is_code(path):
                    inputs.append(DatasetInput(data, [InputTag("mlflow.data.context", kind)]))
        self.client.log_dict(run.info.run_id, entry, ENTRY)
        self.client.log_batch(run.info.run_id, tags=tags)
        self.client.log_inputs(run.info.run_id, inputs)

    def backfill_hashes(self) -> None:
        """Record the entries of `dvc.lock` in the runs that `guess_producer` finds."""
        runs_of: dict[str, list[Run]] = {}
        for run in self.runs("attributes.status = 'FINISHED'"):
            runs_of.setdefault(run.data.tags.get("stage", ""), []).append(run)
        for stage, entry in lockfile.entries(self.root).items():
            if producer := guess_producer(entry, runs_of.get(stage, [])):
                self.record_hashes(producer, entry)

    def producers(self) -> dict[str, str]:
        """Stage -> the newest run that wrote the outputs in its entry of `dvc.lock`, if known."""
        writers = self.writers()
        keys = {stage: output_key(stage, e) for stage, e in lockfile.entries(self.root).items()}
        return {stage: writers[key] for stage, key in keys.items() if key in writers}

    def writers(self) -> dict[OutputKey, str]:
        """A stage with the hashes of its outputs -> the newest run that wrote them."""
        found: dict[OutputKey, str] = {}
        for run in self.runs("attributes.status = 'FINISHED'"):
            if outputs := outputs_of(run):
                key = run.data.tags.get("stage", ""), frozenset(outputs.items())
                found.setdefault(key, run.info.run_id)
        return found

    def mark_orphaned_runs_killed(self, parent: str = "") -> None:
        """End the RUNNING runs below the run `parent`: a killed process could not.

        Without `parent`, all of them; but none on a server that other projects may share.
        """
        if not parent and Environment.read().tracking:
            return
        below = f" and tags.`mlflow.parentRunId` = '{parent}'" if parent else ""
        for run in self.runs(f"attributes.status = 'RUNNING'{below}"):
            self.client.set_terminated(run.info.run_id, "KILLED")


def output_key(stage: str, entry: lockfile.Entry) -> OutputKey:
    return stage, frozenset(lockfile.hashes(entry, "outs").items())


def guess_producer(entry: lockfile.Entry, runs: Sequence["Run"]) -> "Run | None":
    """Which of a stage's `runs` (newest first) wrote `entry`, if no hashes say so yet.

    Candidates are the runs since the last one with hashes. The newest one with the entry's params
    is taken. Example: `a` was 1, then 2, then 1 again, and DVC restored the outputs of the first
    run without a run of its own; the first run is credited, and not the newer one. Where no params
    match, the newest candidate is taken, unless some run is known for these very outputs.
    """
    if not entry.get("outs"):
        return None
    candidates = [*takewhile(lambda run: not outputs_of(run), runs)]
    for run in candidates:
        if _params_match(run, entry.get("params", {})):
            return run
    known = any(outputs_of(run) == lockfile.hashes(entry, "outs") for run in runs)
    return candidates[0] if candidates and not known else None


def outputs_of(run: "Run") -> dict[str, str]:
    """Path -> DVC hash of what the run wrote; {} while no hashes are recorded."""
    return {k.removeprefix("outs:"): v for k, v in run.data.tags.items() if k.startswith("outs:")}


def inputs_of(run: "Run") -> dict[str, str]:
    """Path -> DVC hash of what the run read."""
    return {k.removeprefix("deps:"): v for k, v in run.data.tags.items() if k.startswith("deps:")}


def _params_match(run: "Run", params: dict[str, Any]) -> bool:
    """Whether a run logged the values of `params`: file -> section or key -> value.

    Only names that the run logged are compared. Example: `{"params.yaml": {"bpe": {"merges": 9}}}`
    matches a run with `merges = 9.0`.
    """
    leaves: dict[str, Any] = {}
    for values in params.values():
        for name, value in values.items():
            leaves |= value if isinstance(value, dict) else {name.rpartition(".")[2]: value}
    logged = run.data.params
    return all(_text(value) == _text(logged[n]) for n, value in leaves.items() if n in logged)


def _text(value: Any) -> str:
    """Numbers in one form: a run may have logged 1 as 1.0."""
    try:
        return str(float(value))
    except (TypeError, ValueError):
        return str(value)


def tag_name(kind: str, path: str) -> str:
    return f"{kind}:{path}"
