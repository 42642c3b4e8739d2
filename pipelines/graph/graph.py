"""DVC's stage graph as plain data: the stages, their dependencies, and the resources they need."""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from gpt1 import files
from gpt1.environment import Environment
from gpt1.errors import UserError

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage as DvcStage


@checked(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Needs:
    """The resources of one stage: its `meta:` in `dvc.yaml`."""

    cpu: int = Field(default=1, ge=0)
    """CPU threads that the stage keeps busy; default: the `threads` of its params, else 1."""
    gpu: float = Field(default=0, ge=0)
    """GPUs for its exclusive use, if the machine has any; below 1 a share of one."""
    processes: bool = False
    """The stage starts GPT1_NPROC processes; `cpu` and `gpu` are for each of them."""
    memory: float = Field(default=0, ge=0)
    """GiB."""
    retries: int = Field(default=0, ge=0)
    timeout: float = Field(default=0, ge=0, allow_inf_nan=False)
    """Seconds after which the stage is stopped; 0: never."""
    grace: float = Field(default=3, ge=0, allow_inf_nan=False)
    """Seconds between SIGTERM and SIGKILL on a cancel; a training needs some to save its state."""


@dataclass(frozen=True)
class Stage:
    name: str
    """As `dvc repro` takes it, such as `finetune@book-gpt-1`."""
    description: str
    upstream: frozenset[str]
    """The stages whose outputs this one reads directly."""
    outs: tuple[str, ...]
    """Relative to the root of the project."""
    needs: Needs


@dataclass(frozen=True)
class Graph:
    stages: dict[str, Stage]
    """By name, in topological order: each stage after its upstream stages."""

    def downstream(self, names: Iterable[str]) -> set[str]:
        """`names` and every stage that depends on them, directly or not."""
        found = set(names)
        for stage in self.stages.values():
            if found & stage.upstream:
                found.add(stage.name)
        return found

    def downstream_counts(self) -> dict[str, int]:
        """For each stage the number of stages that depend on it, directly or not."""
        below = dict.fromkeys(self.stages, 0)  # a bit for each stage
        for place, (name, stage) in reversed([*enumerate(self.stages.items())]):
            for other in stage.upstream:
                below[other] |= below[name] | 1 << place
        return {name: bits.bit_count() for name, bits in below.items()}

    def upstream(self, names: Iterable[str]) -> set[str]:
        """`names` and every stage that they depend on, directly or not."""
        found = set(names)
        for stage in reversed(self.stages.values()):
            if stage.name in found:
                found |= stage.upstream
        return found

    def chain(self, name: str, among: Collection[str]) -> list[str]:
        """The stages that one worker runs in a row: `name` and the stages behind it in a line.

        A stage is appended while it is the only one in `among` that reads the last stage, reads no
        other stage in `among`, and asks for no more GPUs than `name`. Example: of
        `clean -> bpe -> shards`, where `shards` reads `clean` too, `chain("bpe", ...)` is
        `["bpe"]`, and of `task -> finetune` it is both.
        """
        found = [name]
        while True:
            readers = [n for n in among if found[-1] in self.stages[n].upstream]
            if len(readers) != 1:
                return found
            reader = self.stages[readers[0]]
            if reader.upstream & {*among} != {found[-1]}:
                return found
            if reader.needs.gpu > self.stages[name].needs.gpu:
                return found
            found.append(reader.name)


def open_project(root: Path | str = ".") -> "Repo":
    """The DVC project that contains `root`. Raises UserError if there is none, or no git."""
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
            "run `dvc config --local core.no_scm true`"
        ) from None


def load(repo: "Repo") -> Graph:
    """Read the graph of `repo`. Raises UserError with DVC's reason when `dvc.yaml` is invalid."""
    import networkx
    from dvc.exceptions import DvcException

    try:
        graph = repo.index.graph
    except DvcException as error:
        raise UserError(" ".join(str(error).split())) from None
    order = networkx.lexicographical_topological_sort(graph.reverse(), lambda s: s.addressing)
    file = Path(repo.root_dir, "params.yaml")
    values = files.read_yaml(file) if file.is_file() else {}
    return Graph(
        {stage.addressing: _stage(stage, graph.successors(stage), values) for stage in order}
    )


def _stage(stage: "DvcStage", upstream: Iterable["DvcStage"], values: dict[str, Any]) -> Stage:
    meta = {"cpu": _threads(stage, values)} | (stage.meta or {})
    return Stage(
        name=stage.addressing,
        description=stage.desc or "",
        upstream=frozenset(u.addressing for u in upstream),
        outs=tuple(os.path.relpath(out.fs_path, stage.repo.root_dir) for out in stage.outs),
        needs=_needs(stage.addressing, meta),
    )


def _threads(stage: "DvcStage", values: dict[str, Any]) -> int:
    """The largest `threads` among the params of `stage`, else 1.

    A matrix has one `meta:` for all its items, which cannot name the threads of each.
    """
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
        if needs.gpu > 1 and needs.gpu % 1:
            raise UserError(f"dvc.yaml: meta of {name}: gpu = {needs.gpu} is no share of one GPU")
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(
            f"dvc.yaml: meta of {name}: {key} = {first['input']!r}: {first['msg'].lower()}; "
            f"known keys: {', '.join(Needs.__dataclass_fields__)}"
        ) from None
    count = Environment.read().nproc if needs.processes else 1
    return replace(needs, cpu=needs.cpu * count, gpu=needs.gpu * count)
