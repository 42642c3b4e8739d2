"""Follow the flow runs on workers: one thread, and a few requests a second for all of them."""

import json
import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, State, StateType
from prefect.states import Cancelling, Crashed

POLL_SECONDS = 1.0
SILENCE_SECONDS = 60.0
"""Without a heartbeat for so long, a worker counts as dead."""
OUTAGE_SECONDS = 600.0
"""Without an answer of the server for so long, its flow runs count as lost."""
PAGE = 200
"""How many flow runs, heartbeats or log lines a request is for: the server's own limit."""
LOGS_PER_POLL = 10
"""Of how many flow runs a poll reads the log, in turn.

By a request each: the server sorts lines by the clocks of the workers, where only those of one run
come in order.
"""
OVERLAP = 20
"""How many lines are read again: the two processes of a worker send theirs at different times."""

INTERRUPTED = "Interrupted"
"""The name of the state, of type Crashed, in which a worker leaves what it is told to end."""

Results = dict[str, dict[str, Any]]
"""For each stage that a worker ended its `status`, and if that is good its `entry` of dvc.lock."""


@dataclass(frozen=True)
class End:
    """The end of a flow run."""

    results: Results
    fate: Literal["ended", "interrupted", "died"]
    """`interrupted`: its worker was told to end, such as by a time limit. `died`: it was silent."""
    message: str = ""


class Pulse:
    """How long a heartbeat has not changed, by the monotonic clock of this process alone.

    Between two looks `STEP` seconds count at most: while a server is away nobody can be heard.
    """

    STEP = 5.0

    def __init__(self) -> None:
        self._beat: object = object()
        self._looked, self._silence = 0.0, 0.0

    def silence(self, beat: object) -> float:
        """Seconds that the heartbeat has been `beat`."""
        now = time.monotonic()
        since = min(now - self._looked, self.STEP)
        self._silence = self._silence + since if beat == self._beat else 0.0
        self._beat, self._looked = beat, now
        return self._silence


@dataclass
class _Followed:
    id: UUID
    events: "queue.SimpleQueue[str | End]" = field(default_factory=queue.SimpleQueue)
    pulse: Pulse = field(default_factory=Pulse)
    received: int = 0
    seen: "deque[UUID]" = field(default_factory=lambda: deque(maxlen=2 * PAGE))
    """The last log lines of those received."""
    asked_to_end: bool = False


class FlowRuns:
    """The flow runs on workers that this process follows, until `close`."""

    def __init__(self) -> None:
        self._runs: dict[UUID, _Followed] = {}
        self._cancelled, self._over = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def follow(self, run: UUID, say: Callable[[str], None]) -> End:
        """Pass on the log lines of the flow run as they come; returns its end."""
        followed = self._runs[run] = _Followed(run)
        with self._starting:
            if not self._thread:
                self._thread = threading.Thread(target=self._poll_all, daemon=True)
                self._thread.start()
        while not isinstance(event := followed.events.get(), End):
            say(event)
        return event

    def cancel(self) -> None:
        """Ask every flow run to end, those that are followed later as well. Does not wait."""
        self._cancelled.set()

    def close(self) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def _poll_all(self) -> None:
        answered = time.monotonic()
        with get_client(sync_client=True) as client:
            while not self._over.wait(POLL_SECONDS):
                runs = list(self._runs.values())
                try:
                    for start in range(0, len(runs), PAGE):
                        self._poll(client, runs[start : start + PAGE])
                    answered = time.monotonic()
                except Exception as error:  # a server that is away for a moment ends nothing
                    away = time.monotonic() - answered
                    if away > (SILENCE_SECONDS if self._cancelled.is_set() else OUTAGE_SECONDS):
                        message = f"no answer of the Prefect server for {away:.0f} s: {error!r}"
                        for followed in runs:
                            self._end(followed, End({}, "ended", message))

    def _poll(self, client: SyncPrefectClient, runs: list[_Followed]) -> None:
        """One look at up to `PAGE` flow runs. Those that wait for a worker are only counted."""
        ids = [followed.id for followed in runs]
        if client.count_flow_runs(flow_run_filter=_of(ids)) < len(ids):
            self._end_removed(client, runs)
            return
        taken = client.read_flow_runs(flow_run_filter=_of(ids, taken=True))
        beats = _heartbeats(client, [run.id for run in taken]) if taken else {}
        at_work = {run.id for run in taken}
        for followed in [each for each in runs if each.id in at_work][:LOGS_PER_POLL]:
            _read_lines(client, followed)
            self._runs[followed.id] = self._runs.pop(followed.id)  # its next turn is the last
        for run in taken:
            self._look(client, self._runs[run.id], run, beats.get(run.id))
        if self._cancelled.is_set():
            self._ask_to_end(client, [each for each in runs if each.id in self._runs])

    def _look(
        self,
        client: SyncPrefectClient,
        followed: _Followed,
        run: FlowRun,
        heartbeat: Artifact | None,
    ) -> None:
        """End the flow run here if it has ended there, or its worker is silent for too long."""
        assert run.state
        results = Results(json.loads(str(heartbeat.data) or "{}") if heartbeat else {})
        silence = followed.pulse.silence((run.state.id, heartbeat and heartbeat.updated))
        if run.state.is_final():
            while _read_lines(client, followed):
                continue
            self._end(followed, End(results, _fate(run.state), run.state.message or ""))
        elif silence > SILENCE_SECONDS:
            message = f"no heartbeat for {silence:.0f} s"
            client.set_flow_run_state(run.id, Crashed(message=message), force=True)
            self._end(followed, End(results, "died", message))

    def _ask_to_end(self, client: SyncPrefectClient, runs: list[_Followed]) -> None:
        for followed in runs:
            if not followed.asked_to_end:
                client.set_flow_run_state(followed.id, Cancelling())
                followed.asked_to_end = True

    def _end_removed(self, client: SyncPrefectClient, runs: list[_Followed]) -> None:
        there = {run.id for run in client.read_flow_runs(flow_run_filter=_of(r.id for r in runs))}
        for followed in runs:
            if followed.id not in there:
                self._end(followed, End({}, "ended", "its flow run was removed from the server"))

    def _end(self, followed: _Followed, end: End) -> None:
        if self._runs.pop(followed.id, None):
            followed.events.put(end)


def heartbeat_key(run: object) -> str:
    """The key of the artifact that is the heartbeat of a flow run; its data are the results."""
    return "heartbeat-" + re.sub(r"[^a-z0-9]+", "-", str(run))


def _fate(state: State) -> Literal["ended", "interrupted", "died"]:
    if not state.is_crashed():
        return "ended"
    return "interrupted" if state.name == INTERRUPTED else "died"


def _of(ids: Iterable[UUID], taken: bool = False) -> FlowRunFilter:
    """The flow runs `ids`; with `taken` only those that a worker has taken, or that ended."""
    by_id = FlowRunFilterId(any_=list(ids))
    if not taken:
        return FlowRunFilter(id=by_id)
    types = FlowRunFilterStateType(not_any_=[StateType.SCHEDULED])
    return FlowRunFilter(id=by_id, state=FlowRunFilterState(type=types))


def _heartbeats(client: SyncPrefectClient, ids: list[UUID]) -> dict[UUID, Artifact]:
    chosen = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=ids), key=ArtifactFilterKey(like_="heartbeat-")
    )
    found = client.read_artifacts(artifact_filter=chosen)
    return {
        artifact.flow_run_id: artifact
        for artifact in found
        if artifact.flow_run_id and artifact.key == heartbeat_key(artifact.flow_run_id)
    }


def _read_lines(client: SyncPrefectClient, followed: _Followed) -> bool:
    """Pass on new log lines; returns whether there may be more."""
    logs = client.read_logs(
        LogFilter(flow_run_id=LogFilterFlowRunId(any_=[followed.id])),
        offset=max(0, followed.received - OVERLAP),
        limit=PAGE,
    )
    new = [log for log in logs if log.id not in followed.seen]
    for log in new:
        followed.events.put(log.message)
    followed.seen.extend(log.id for log in new)
    followed.received += len(new)
    return bool(new) and len(logs) == PAGE
