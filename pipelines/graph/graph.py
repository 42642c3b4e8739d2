"""DVC's own graph, as plain data: what there is, what hangs on what, and what each stage needs."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from gpt1.environment import Environment
from gpt1.errors import UserError
from stages import entry

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage as DvcStage


@checked(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Needs:
    """`meta:` beside a stage in `dvc.yaml`."""

    cpu: int = Field(default=1, ge=0)
    """CPU threads that it keeps busy; as shipped, the `threads` of the params it depends on."""
    gpu: int = Field(default=0, ge=0)
    """GPUs that it has to itself, where the machine has any."""
    processes: bool = False
    """It starts GPT1_NPROC processes, and each of them needs that."""
    memory: float = Field(default=0, ge=0)
    """GiB."""
    retries: int = Field(default=0, ge=0)
    timeout: float = Field(default=0, ge=0)
    """Seconds after which it is stopped; 0: never."""
    grace: float = Field(default=3, ge=0)
    """Seconds it has to end by itself when it is cancelled; longer for one that saves its state."""


@dataclass(frozen=True)
class Stage:
    name: str
    """What `dvc repro` calls it, such as `finetune@book-gpt-1`."""
    description: str
    upstream: frozenset[str]
    outs: tuple[str, ...]
    needs: Needs


@dataclass(frozen=True)
class Graph:
    stages: dict[str, Stage]
    """Every stage after the ones it hangs on."""

    def downstream(self, names: Iterable[str]) -> set[str]:
        """`names` and all that hangs on them."""
        found = set(names)
        for stage in self.stages.values():
            if found & stage.upstream:
                found.add(stage.name)
        return found

    def upstream(self, names: Iterable[str]) -> set[str]:
        """`names` and all they hang on."""
        found = set(names)
        for stage in reversed(self.stages.values()):
            if stage.name in found:
                found |= stage.upstream
        return found

    def chain(self, name: str, among: Collection[str]) -> list[str]:
        """`name` and, of `among`, each stage that is the only one to wait for the one before.

        It waits for no other, and asks for no GPU where the first does not.
        """
        found = [name]
        while True:
            behind = [n for n in among if found[-1] in self.stages[n].upstream]
            if len(behind) != 1 or self.stages[behind[0]].upstream & {*among} != {found[-1]}:
                return found
            if self.stages[behind[0]].needs.gpu > self.stages[name].needs.gpu:
                return found
            found += behind


def open_project(root: Path | str = ".") -> "Repo":
    """The DVC project around `root`. Raises UserError where there is none, or it cannot be read."""
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        return Repo(str(root), _wait_for_lock=True)
    except NotDvcRepoError:
        raise UserError("no DVC project here: go to the folder with dvc.yaml") from None
    except SCMError:
        raise UserError(
            "no git repository here: `git clone` the project, or for an unpacked archive "
            "say `dvc config --local core.no_scm true`"
        ) from None


def load(repo: "Repo") -> Graph:
    """The graph of `repo`. Raises UserError with DVC's reason when `dvc.yaml` is wrong."""
    import networkx
    from dvc.exceptions import DvcException

    try:
        graph = repo.index.graph
    except DvcException as error:
        raise UserError(" ".join(str(error).split())) from None
    order = networkx.lexicographical_topological_sort(graph.reverse(), lambda s: s.addressing)
    values = entry.values(Path(repo.root_dir))
    return Graph(
        {stage.addressing: _stage(stage, graph.successors(stage), values) for stage in order}
    )


def _stage(stage: "DvcStage", upstream: Iterable["DvcStage"], values: dict[str, Any]) -> Stage:
    meta = {"cpu": _threads(stage, values)} | (stage.meta or {})
    return Stage(
        name=stage.addressing,
        description=stage.desc or "",
        upstream=frozenset(u.addressing for u in upstream),
        outs=tuple(out.def_path for out in stage.outs),
        needs=_needs(stage.addressing, meta),
    )


def _threads(stage: "DvcStage", values: dict[str, Any]) -> int:
    """What the params of `stage` say of `threads`: a matrix cannot say it in its `meta:`."""
    from dvc.dependency.param import ParamsDependency

    found = [1]
    for dep in stage.deps:
        for name in dep.params if isinstance(dep, ParamsDependency) else []:
            value: Any = values
            for part in name.removesuffix(".threads").split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if isinstance(value, dict) and isinstance(value.get("threads"), int):
                found.append(value["threads"])
    return max(found)


def _needs(name: str, meta: dict[str, Any]) -> Needs:
    try:
        needs = TypeAdapter(Needs).validate_python(meta)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(
            f"dvc.yaml: meta of {name}: {key} = {first['input']!r}: {first['msg'].lower()}; "
            f"known keys: {', '.join(Needs.__dataclass_fields__)}"
        ) from None
    count = Environment.read().nproc if needs.processes else 1
    return replace(needs, cpu=needs.cpu * count, gpu=needs.gpu * count)
