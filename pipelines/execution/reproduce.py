"""A process that reproduces stages for a driver with DVC's Python API, one after the other.

    python -m pipelines.execution.reproduce

Standard input brings a request in each line, as JSON:

    {"stage": "finetune@rte-gpt-1", "entry": TEXT, "force": false, "environment": {}, "grace": 60}

and standard output tells what comes of it: `{"output": TEXT}` for what the stage and DVC print,
then `{"status": ..., "entry": TEXT}`. The first entry is what `dvc.lock` has of the stage, the
second what the driver writes there; both are YAML, and null where there is none.

`dvc repro` is not enough: it tells its outcome among the output of the stage, writes `dvc.lock` in
place, hashes what a stage read when the stage has *ended*, and outlives its driver.

When the input ends, because the driver has nothing more or was killed, the stage in hand is asked
to end. Its output is read on, so that it can save its state.
"""

import codecs
import ctypes
import json
import logging
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from ruamel.yaml import YAML

from pipelines.execution import lockfile, processes
from pipelines.execution.executor import Status
from pipelines.graph import graph

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

PR_SET_CHILD_SUBREAPER = 36


class EndedError(Exception):
    """The driver ended, or asked for the end, while a stage ran."""


_asked_to_end = threading.Event()


def main() -> None:
    """Serve requests until the input ends."""
    requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # a stage may signal its process group, this one's
    events = Events()
    _adopt_orphans()
    logging.getLogger("dvc").setLevel(logging.INFO)  # it says which command it runs
    threading.Thread(target=_receive, args=(_take_input(), requests), daemon=True).start()
    repo = graph.open_project()
    while (request := requests.get()) and not _asked_to_end.is_set():
        events.end(_serve(repo, request))


def _receive(lines: TextIO, requests: "queue.SimpleQueue[dict[str, Any] | None]") -> None:
    """Queue the requests; after the last line end the command in hand, within its grace."""
    grace = 0.0
    for line in lines:
        request = json.loads(line)
        grace = request["grace"]
        requests.put(request)
    _asked_to_end.set()
    requests.put(None)
    while True:  # the stage in hand may be about to start its command
        processes.end(os.getsid(0), grace, spare=os.getpid())
        time.sleep(0.1)


def _serve(repo: "Repo", request: Mapping[str, Any]) -> dict[str, Any]:
    """Reproduce the stage of a request, and end what it left running."""
    from dvc.exceptions import DvcException

    try:
        entry = YAML(typ="safe").load(request["entry"] or "")
        return reproduce(repo, request["stage"], entry, request["force"], request["environment"])
    except (DvcException, OSError, EndedError) as error:
        print(f"ERROR: {error}")
    except Exception:  # of ours or DVC's: the driver must be told an end
        traceback.print_exc()
    finally:
        while _asked_to_end.is_set() and processes.members(os.getsid(0), spare=os.getpid()):
            time.sleep(0.05)  # the shell may have ended before the command that saves its state
        for name in processes.end_children(request["grace"]):
            print(f"{request['stage']} left the process {name} running; it was ended")
    return {"status": "failed"}


def reproduce(
    repo: "Repo",
    name: str,
    entry: lockfile.Entry | None,
    force: bool = False,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Do what `dvc repro --single-item NAME` does, but for reading and writing `dvc.lock`.

    `entry` is what it has of the stage. Returns `status` and the new `entry`. The params in it are
    those that the stage started with: it reads them from a copy (`GPT1_PARAMS`). Where a file or
    folder of its deps was written while it ran, nobody knows what its outputs come from: there is
    no entry, and the next run makes them again. Raises DvcException when the stage fails, and
    EndedError.
    """
    from dvc.stage.decorators import rwlocked
    from dvc.stage.serialize import to_single_stage_lockfile
    from dvc.utils.serialize import dumps_yaml

    with repo.lock, repo.scm_context(quiet=True):
        repo._reset()
        stage = lockfile.load_stage(repo, name, entry)
        locked = rwlocked(read=["deps"], write=["outs"])(_reproduce)  # against other DVCs
        status, recorded = locked(stage, force, environment or {})
        made = dumps_yaml(to_single_stage_lockfile(stage)) if recorded and stage.cmd else None
    return {"status": status, "entry": made}


def _reproduce(stage: "Stage", force: bool, environment: Mapping[str, str]) -> tuple[Status, bool]:
    """How the stage ended, and whether DVC has a record of that."""
    from dvc.stage.cache import RunCacheNotFoundError
    from dvc.stage.decorators import unlocked_repo
    from dvc.stage.run import cmd_run

    if stage.frozen or not stage.cmd:  # such as a file that `dvc add` or `dvc import` made
        made = stage.reproduce(force=force)
        if made and not stage.cmd:
            stage.dump(update_pipeline=False)
        return "ran" if made else "unchanged", True
    if not force and not stage.changed():
        return "unchanged", True
    for dep in stage.deps:
        if dep.protocol == "local" and not dep.exists:
            raise FileNotFoundError(
                f"{dep} is not there, and {stage.addressing} depends on it; put it there, or see "
                "where params.yaml or dvc.yaml names it"
            )
    stage.remove_outs()
    status: Status = "restored"
    continued = False
    try:
        if force:
            raise RunCacheNotFoundError(stage)
        stage.repo.stage_cache.restore(stage)
        stage.save_deps()
    except RunCacheNotFoundError:
        status = "ran"
        before = _written(stage)
        with _handed_over(stage) as variables:
            if _would_compile_into_deps(stage, before):
                variables["PYTHONDONTWRITEBYTECODE"] = "1"
            stage.save_deps()
            unlocked_repo(cmd_run)(stage, run_env=dict(environment) | variables)
            continued = Path(variables["GPT1_CONTINUED"]).exists()
        if _asked_to_end.is_set():  # some end well when they are asked to end, and half done
            raise EndedError("it was asked to end") from None
        if _edited(stage, before):
            return status, False
    _save_outs(stage, remember=not continued)
    return status, True


@contextmanager
def _handed_over(stage: "Stage") -> Iterator[dict[str, str]]:
    """Yield the variables that name a copy of `params.yaml` as it is now, and a file to make.

    A stage makes that file when its result is no function of deps and params: someone told it to
    continue what should have begun anew. DVC's run cache must not give such a result to others.
    """
    params = Path(stage.repo.root_dir, "params.yaml")
    with tempfile.TemporaryDirectory() as folder:
        variables = {"GPT1_CONTINUED": f"{folder}/continued"}
        if params.is_file():
            variables["GPT1_PARAMS"] = shutil.copy(params, folder)
        yield variables


Written = dict[str, tuple[int, int, int]]
"""Path of a file -> its inode, size and time of the last write."""


def _written(stage: "Stage") -> dict[str, Written]:
    """For each dep but params, its files that DVC does not ignore."""
    from dvc.dependency.param import ParamsDependency

    found: dict[str, Written] = {}
    for dep in stage.deps:
        if dep.protocol == "local" and not isinstance(dep, ParamsDependency):
            of_dep = found.setdefault(str(dep), {})
            is_folder = os.path.isdir(dep.fs_path)
            inside = stage.repo.dvcignore.find(dep.fs, dep.fs_path) if is_folder else [dep.fs_path]
            for path in inside:
                with suppress(FileNotFoundError):
                    status = os.stat(path)
                    of_dep[path] = status.st_ino, status.st_size, status.st_mtime_ns
    return found


def _would_compile_into_deps(stage: "Stage", before: Mapping[str, Written]) -> bool:
    """Whether Python modules are in a folder among the deps, and DVC sees `__pycache__` there.

    Python would write into that dep, and the stage would count as edited.
    """
    modules = (
        path
        for dep, written in before.items()
        for path in written
        if path.endswith(".py") and not path.endswith(dep)
    )
    folders = {os.path.join(os.path.dirname(path), "__pycache__") for path in modules}
    return not all(map(stage.repo.dvcignore.is_ignored_dir, folders))


def _edited(stage: "Stage", before: Mapping[str, Written]) -> bool:
    """Whether a dep was written since `before`, or a param differs; names the edits.

    Not by content: an edit may have been read and undone.
    """
    from dvc.dependency.param import ParamsDependency

    name, after = stage.addressing, _written(stage)
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            for path, change in dep.status().items():
                print(
                    f"{path}: {', '.join(change)} was edited while {name} ran; dvc.lock has the "
                    "value that it started with"
                )
    edited = [path for path, written in before.items() if after.get(path) != written]
    for path in edited:
        print(
            f"{path} was edited while {name} ran: dvc.lock does not record what it made, and the "
            f"next run makes it again; `dvc commit --force {name}` accepts it as it is"
        )
    return bool(edited)


def _save_outs(stage: "Stage", remember: bool) -> None:
    """Hash and cache the outputs; `remember` them in DVC's run cache as what the deps give."""
    stage.save_outs()
    stage.md5 = stage.compute_md5()
    if remember and all(out.use_cache or out.is_metric or out.is_plot for out in stage.outs):
        stage.repo.stage_cache.save(stage)
    stage.commit()


class Events:
    """The events for the driver. File descriptors 1 and 2 become a pipe that is read here.

    The stage and its children write into that pipe, and it is drained whether or not there still is
    a driver. The end of a stage goes through the same pipe, behind the output.
    """

    def __init__(self) -> None:
        self._driver: BinaryIO | None = os.fdopen(os.dup(1), "wb")
        self._mark = b"\0" + os.urandom(8).hex().encode() + b"\0"  # between output and events
        self._told = threading.Semaphore(0)
        read, write = os.pipe()
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.close(write)
        threading.Thread(target=self._relay, args=(read,), daemon=True).start()

    def end(self, event: Mapping[str, Any]) -> None:
        """Tell the driver `event`, after all output that came before."""
        sys.stderr.flush()
        sys.stdout.flush()
        with open(1, "wb", closefd=False) as pipe:
            pipe.write(self._mark + json.dumps(event).encode() + self._mark)
        self._told.acquire()

    def _relay(self, pipe: int) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest, is_event = b"", False
        while data := os.read(pipe, 1 << 16):
            *parts, rest = (rest + data).split(self._mark)
            for part in parts:  # output and events alternate
                self._tell(part if is_event else _output(decoder.decode(part)))
                if is_event:
                    self._told.release()
                is_event = not is_event
            if not is_event:
                cut = rest.rfind(b"\0")
                if cut < 0 or not self._mark.startswith(rest[cut:]):
                    cut = len(rest)
                self._tell(_output(decoder.decode(rest[:cut])))
                rest = rest[cut:]

    def _tell(self, event: bytes) -> None:
        try:
            if event and self._driver:
                self._driver.write(event + b"\n")
                self._driver.flush()
        except BrokenPipeError:  # the driver was killed
            self._driver = None


def _output(text: str) -> bytes:
    return json.dumps({"output": text}).encode() if text else b""


def _take_input() -> TextIO:
    """Standard input for this process alone: a stage reads /dev/null."""
    requests = os.fdopen(os.dup(0))
    with open(os.devnull) as null:
        os.dup2(null.fileno(), 0)
    return requests


def _adopt_orphans() -> None:
    """Become the parent of processes whose parent ends, to find all that a stage started.

    Linux has this; elsewhere a process that leaves its session is not found.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


if __name__ == "__main__":
    main()
