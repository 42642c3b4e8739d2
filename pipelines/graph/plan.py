"""Which stages will run, and why: one query of DVC's status before anything is started."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from gpt1.errors import UserError
from pipelines import extension
from pipelines.graph.graph import Graph, load

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage as DvcStage

State = Literal["will run", "may run", "unchanged"]


@dataclass(frozen=True)
class Reason:
    """One reason why a stage runs: what changed since its entry in `dvc.lock` was written."""

    what: Literal["stage", "param", "dependency", "output", "command", "forced", "always"]
    """`always`: DVC runs the stage each time, for it has no deps or says `always_changed`."""
    name: str
    """The path of the file, or the key of the param."""
    change: str
    old: Any = None
    """The value of a param before; `new` is its value now."""
    new: Any = None

    def __str__(self) -> str:
        said = f" {self.change}"
        if self.what == "param" and self.change == "changed":
            said = f": {self.old} -> {self.new}"
        return f"{self.what} {self.name}".rstrip() + said


@dataclass(frozen=True)
class Plan:
    graph: Graph
    selected: frozenset[str]
    """The targets and every stage upstream of them."""
    reasons: dict[str, list[Reason]]
    """For each stage that changed itself, why; in topological order."""

    @cached_property
    def launched(self) -> frozenset[str]:
        """The stages that changed and those downstream, which may turn out to be unchanged."""
        return self.selected & self.graph.downstream(self.reasons)

    def to_launch(self) -> list[str]:
        """`launched` in topological order."""
        return [name for name in self.graph.stages if name in self.launched]

    def why(self, name: str) -> str:
        """Why a stage is launched, in one line."""
        if name in self.reasons:
            return "; ".join(map(str, self.reasons[name]))
        changing = self.graph.stages[name].upstream & self.launched
        return f"depends on {', '.join(sorted(changing))}"

    def state(self, name: str) -> State:
        if name in self.reasons:
            return "will run"
        return "may run" if name in self.launched else "unchanged"

    def as_data(self) -> list[dict[str, Any]]:
        """The selected stages with state and reasons, as JSON can hold them."""
        return [
            {
                "stage": name,
                "state": self.state(name),
                "reasons": [asdict(reason) for reason in self.reasons.get(name, [])],
            }
            for name in self.graph.stages
            if name in self.selected
        ]


def build_plan(repo: "Repo", targets: Iterable[str] = (), force: bool = False) -> Plan:
    """Ask DVC what changed in `targets` and upstream of them; without targets, in every stage.

    With `force` every selected stage runs. Raises UserError when a target is no stage, DVC cannot
    read the project, or `params.yaml` has a mistake anywhere.
    """
    from dvc.exceptions import DvcException

    graph, selected = select(repo, targets)
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


def select(repo: "Repo", targets: Iterable[str] = ()) -> tuple[Graph, frozenset[str]]:
    """The graph, and `targets` with every stage upstream of them. Raises as `build_plan`."""
    extension.prepare()
    graph = load(repo)
    return graph, frozenset(graph.upstream(_expand(graph, targets)))


def _expand(graph: Graph, targets: Iterable[str]) -> list[str]:
    """The stages that `targets` name: `finetune` stands for every `finetune@...`; none: all."""
    names: list[str] = []
    for target in targets:
        found = [n for n in graph.stages if n == target or n.partition("@")[0] == target]
        if not found:
            known = sorted({name.partition("@")[0] for name in graph.stages})
            raise UserError(f"there is no stage {target}; there are {', '.join(known)}")
        names += found
    return names or list(graph.stages)


def _reasons(stage: "DvcStage") -> list[Reason]:
    """Why `stage` changed by itself; empty when DVC finds it unchanged."""
    if stage.cmd and not any(e.hash_info for e in [*stage.deps, *stage.outs]):
        return [Reason("stage", "", "was never run here")]
    found: list[Reason] = []
    for change in _status(stage):
        if change == "changed command":
            found.append(Reason("command", "", "changed"))
        elif isinstance(change, str):
            found.append(Reason("always", "", change))
        else:
            found += _file_reasons(stage, change)
    return found


def _status(stage: "DvcStage") -> list[Any]:
    """What `stage.status()` says, without DVC's lock of each path.

    That lock takes a third of the time, and fails while another process runs the stage.
    """
    found: list[Any] = []
    if not stage.frozen:
        stage._status_deps(found)
    stage._status_outs(found, filter_info=None)
    stage._status_always_changed(found)
    stage._status_stage(found)
    return found


def _file_reasons(stage: "DvcStage", changed: dict[str, dict[str, Any]]) -> list[Reason]:
    """The entries of DVC's `{"changed deps": {path: change}}`, or the same of `outs`."""
    from dvc.dependency.param import ParamsDependency

    params = {str(d): d for d in stage.deps if isinstance(d, ParamsDependency)}
    what: Literal["dependency", "output"] = "output" if "changed outs" in changed else "dependency"
    found: list[Reason] = []
    for name, change in next(iter(changed.values())).items():
        if isinstance(change, dict):
            old, new = params[name].hash_info.value or {}, params[name].read_params()
            for key in change:
                found += _param_reasons(key, old.get(key), new.get(key))
        else:
            found.append(Reason(what, name, change))
    return found


def _param_reasons(key: str, old: Any, new: Any) -> list[Reason]:
    """One reason for each leaf that differs, such as `models.gpt.layers: 2 -> 4`.

    A whole section that is new or gone is one reason; its text leaves out the values.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            reason
            for name in dict.fromkeys([*old, *new])
            if old.get(name) != new.get(name)
            for reason in _param_reasons(f"{key}.{name}", old.get(name), new.get(name))
        ]
    change = "changed"
    if isinstance(old, dict) or isinstance(new, dict):
        change = "added" if old is None else "removed" if new is None else "replaced"
    return [Reason("param", key, change, old, new)]
