"""What MLflow is told beyond what a stage itself says: which content it read, and which it made.

DVC knows the content of an output only after the stage has ended, so this is filled in from
`dvc.lock`, by the flow or, after plain `dvc repro`, by whoever looks next.
"""

import json
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpt1.environment import Environment
from gpt1.errors import UserError
from pipelines import lockfile
from stages import tracking

if TYPE_CHECKING:
    from mlflow.entities import Run

ENTRY = "lock.json"
"""The artifact with the stage's entry of `dvc.lock`."""
SEARCH_AT_ONCE = 1000


class Records:
    """The MLflow runs of the project at `root`. Raises UserError where MLflow is away."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.address = Environment.read().tracking
        try:
            self.client, self.experiment = tracking.connect(root, self.address)
        except Exception as error:  # whatever MLflow, its database or the network raise
            reason = str(error).partition("\n")[0][:200]
            raise UserError(
                f"MLflow cannot be reached at {self.address or tracking.database(root)}: {reason}"
            ) from None

    def runs(self, filter_string: str = "") -> list["Run"]:
        """The newest first."""
        found: list[Run] = []
        token = None
        while token != "":
            page = self.client.search_runs(
                [self.experiment],
                filter_string,
                max_results=SEARCH_AT_ONCE,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            found += page
            token = page.token or ""
        return found

    def note_stage(self, stage: str, parent: str) -> None:
        """Write down what the run of `stage` below `parent` read and made."""
        tag = f"tags.stage = '{stage}' and tags.`mlflow.parentRunId` = '{parent}'"
        for run in self.runs(f"{tag} and attributes.status = 'FINISHED'")[:1]:
            self.note(run, lockfile.entries(self.root).get(stage, {}))

    def note(self, run: "Run", entry: dict[str, Any]) -> None:
        """Tag `run` with the DVC hash of each dep and out, and log its data as data sets."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, RunTag

        inputs, tags = [], []
        for kind in ("deps", "outs"):
            for file in entry.get(kind, []):
                path, digest = file["path"], file.get("md5", "")
                tags.append(RunTag(tag_name(kind, path), digest))
                data = Dataset(path, digest, "local", json.dumps({"uri": path}))
                if kind == "outs" or not is_code(path):
                    inputs.append(DatasetInput(data, [InputTag("mlflow.data.context", kind)]))
        self.client.log_dict(run.info.run_id, entry, ENTRY)
        self.client.log_batch(run.info.run_id, tags=tags)
        self.client.log_inputs(run.info.run_id, inputs)

    def fill_in(self) -> None:
        """For each stage note what its newest run made, unless that is known already.

        What DVC restored had no run: one with the params of the entry goes before a newer one.
        """
        entries = lockfile.entries(self.root)
        of_stage: dict[str, list[Run]] = {}
        for run in self.runs("attributes.status = 'FINISHED'"):
            of_stage.setdefault(run.data.tags.get("stage", ""), []).append(run)
        for stage, runs in of_stage.items():
            entry = entries.get(stage, {})
            unknown = [*takewhile(lambda run: not made(run), runs)] if entry.get("outs") else []
            maker = next((run for run in unknown if _had(run, entry.get("params", {}))), None)
            if not any(made(run) == lockfile.hashes(entry, "outs") for run in runs):
                maker = maker or next(iter(unknown), None)
            if maker:
                self.note(maker, entry)

    def makers(self) -> dict[str, str]:
        """For each stage of `dvc.lock` the run that made what it says, where that is known."""
        entries = lockfile.entries(self.root)
        found: dict[str, str] = {}
        for run in self.runs("attributes.status = 'FINISHED'"):
            stage = run.data.tags.get("stage", "")
            entry = entries.get(stage, {})
            if entry and stage not in found and made(run) == lockfile.hashes(entry, "outs"):
                found[stage] = run.info.run_id
        return found

    def end_dead(self, parent: str = "") -> None:
        """Runs whose process was killed count as running for ever: end those below `parent`.

        Without `parent`, all of this project's own database; a server that others share is left be.
        """
        if not parent and Environment.read().tracking:
            return
        below = f" and tags.`mlflow.parentRunId` = '{parent}'" if parent else ""
        for run in self.runs(f"attributes.status = 'RUNNING'{below}"):
            self.client.set_terminated(run.info.run_id, "KILLED")


def made(run: "Run") -> dict[str, str]:
    """Path -> DVC hash of what the run made; empty where nobody noted it yet."""
    return {k.removeprefix("outs:"): v for k, v in run.data.tags.items() if k.startswith("outs:")}


def read(run: "Run") -> dict[str, str]:
    """Path -> DVC hash of what the run read."""
    return {k.removeprefix("deps:"): v for k, v in run.data.tags.items() if k.startswith("deps:")}


def _had(run: "Run", params: dict[str, Any]) -> bool:
    """Whether a run told of these values: file -> name of a section, or of a key -> value."""
    leaves: dict[str, Any] = {}
    for values in params.values():
        for name, value in values.items():
            leaves |= value if isinstance(value, dict) else {name.rpartition(".")[2]: value}
    told = run.data.params
    return all(_text(value) == _text(told[n]) for n, value in leaves.items() if n in told)


def _text(value: Any) -> str:
    """Numbers alike: a run has told 1 as 1.0."""
    try:
        return str(float(value))
    except (TypeError, ValueError):
        return str(value)


def tag_name(kind: str, path: str) -> str:
    return f"{kind}:{path}"


def is_code(path: str) -> bool:
    return path.startswith(("gpt1/", "stages/"))
