"""What would run, and why: asked of DVC once, before anything is started."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from gpt1.errors import UserError
from pipelines.graph import Graph, load
from stages import entry

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage as DvcStage

State = Literal["will run", "may run", "unchanged"]


@dataclass(frozen=True)
class Reason:
    """Why a stage runs: what changed, with both values where there are any."""

    what: Literal["stage", "param", "dependency", "output", "command", "forced", "always"]
    name: str
    change: str
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        values = f": {self.old} -> {self.new}" if self.what == "param" else f" {self.change}"
        return f"{self.what} {self.name}".rstrip() + values


@dataclass(frozen=True)
class Plan:
    graph: Graph
    selected: frozenset[str]
    """The targets and all they hang on."""
    reasons: dict[str, list[Reason]]
    """The stages that changed themselves, in the graph's order."""

    def to_launch(self) -> list[str]:
        """What changed and what hangs on it; the latter may turn out to be unchanged."""
        touched = self.graph.downstream(self.reasons) & self.selected
        return [name for name in self.graph.stages if name in touched]

    def state(self, name: str) -> State:
        if name in self.reasons:
            return "will run"
        return "may run" if name in self.to_launch() else "unchanged"

    def as_data(self) -> list[dict[str, Any]]:
        """For each selected stage its name, its state and its reasons."""
        return [
            {
                "stage": name,
                "state": self.state(name),
                "reasons": [asdict(reason) for reason in self.reasons.get(name, [])],
            }
            for name in self.graph.stages
            if name in self.selected
        ]


def make(repo: "Repo", targets: Iterable[str] = (), force: bool = False) -> Plan:
    """Ask DVC what changed in the targets and all they hang on (no targets: in everything).

    Raises UserError when a target is no stage, DVC cannot tell, or `params.yaml` is wrong anywhere.
    """
    from dvc.exceptions import DvcException

    entry.check()
    graph = load(repo)
    selected = frozenset(graph.upstream(_named(graph, targets)))
    stages = {stage.addressing: stage for stage in repo.index.stages}
    reasons = {}
    try:
        with repo.lock:
            for name in graph.stages:
                found = _reasons(stages[name]) if name in selected else []
                if force and name in selected and stages[name].cmd:
                    found = found or [Reason("forced", "", "by --force")]
                if found:
                    reasons[name] = found
    except DvcException as error:
        raise UserError(" ".join(str(error).split())) from None
    return Plan(graph, selected, reasons)


def _named(graph: Graph, targets: Iterable[str]) -> list[str]:
    """`finetune` stands for every `finetune@...`."""
    names: list[str] = []
    for target in targets:
        found = [n for n in graph.stages if n == target or n.partition("@")[0] == target]
        if not found:
            known = sorted({name.partition("@")[0] for name in graph.stages})
            raise UserError(f"there is no stage {target}; there are {', '.join(known)}")
        names += found
    return names or list(graph.stages)


def _reasons(stage: "DvcStage") -> list[Reason]:
    if stage.cmd and not any(e.hash_info for e in [*stage.deps, *stage.outs]):
        return [Reason("stage", "", "was never run here")]
    found: list[Reason] = []
    for change in next(iter(stage.status().values()), []):
        if change == "changed command":
            found.append(Reason("command", "", "changed"))
        elif isinstance(change, str):
            found.append(Reason("always", "", change))
        else:
            found += _entries(stage, change)
    return found


def _entries(stage: "DvcStage", changed: dict[str, dict[str, Any]]) -> list[Reason]:
    from dvc.dependency.param import ParamsDependency

    params = {str(d): d for d in stage.deps if isinstance(d, ParamsDependency)}
    what: Literal["dependency", "output"] = "output" if "changed outs" in changed else "dependency"
    found: list[Reason] = []
    for name, change in next(iter(changed.values())).items():
        if isinstance(change, dict):
            old, new = params[name].hash_info.value or {}, params[name].read_params()
            for key in change:
                found += _differences(key, old.get(key), new.get(key))
        else:
            found.append(Reason(what, name, change))
    return found


def _differences(key: str, old: Any, new: Any) -> list[Reason]:
    """Down to the keys that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            reason
            for name in dict.fromkeys([*old, *new])
            if old.get(name) != new.get(name)
            for reason in _differences(f"{key}.{name}", old.get(name), new.get(name))
        ]
    return [Reason("param", key, "changed", old, new)]
