import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.execution import gpus
from pipelines.execution.executor import Outcome
from pipelines.execution.scheduler import UNLIMITED, Capacity, run_all
from pipelines.graph.graph import Graph, Needs, Stage


def graph(edges, **needs):
    """`edges`: name -> the names it hangs on, in order."""
    return Graph(
        {n: Stage(n, "", frozenset(u), (), needs.get(n, Needs())) for n, u in edges.items()}
    )


class Launcher:
    """Plays stages in threads and writes down when each began and ended."""

    def __init__(self, seconds=0.2, fails=()):
        self.seconds, self.fails = seconds, fails
        self.order, self.together, self._now = [], [], []
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor()

    def __call__(self, stage, done):
        self.order.append(stage.name)
        with self._lock:
            self._now.append(stage.name)
            self.together.append(set(self._now))
        self._pool.submit(self._play, stage.name, done)

    def _play(self, name, done):
        time.sleep(self.seconds)
        with self._lock:
            self._now.remove(name)
        done(Outcome("failed" if name in self.fails else "ran"))


def statuses(outcomes):
    return {name: outcome.status for name, outcome in outcomes.items()}


ROOMY = Capacity(cpu=8, gpu=1, memory=8)
DIAMOND = {"top": [], "left": ["top"], "right": ["top"], "end": ["left", "right"]}


def test_a_stage_starts_after_all_it_hangs_on_and_independent_ones_run_together():
    launcher = Launcher()
    assert set(statuses(run_all(graph(DIAMOND), DIAMOND, launcher, ROOMY)).values()) == {"ran"}
    assert launcher.order[0] == "top"
    assert launcher.order[-1] == "end"
    assert {"left", "right"} in launcher.together
    assert not any({"top", "left"} <= t or {"left", "end"} <= t for t in launcher.together)


def test_only_what_is_asked_for_is_launched():
    launcher = Launcher()
    run_all(graph(DIAMOND), ["right", "end"], launcher, ROOMY)
    assert launcher.order == ["right", "end"]


@pytest.mark.parametrize("resource", ["cpu", "gpu", "memory"])
def test_no_resource_is_overfilled(resource):
    edges = {name: [] for name in "abcdef"}
    needs = {name: Needs(**{"cpu": 0, resource: 2}) for name in edges}
    launcher = Launcher()
    run_all(graph(edges, **needs), edges, launcher, Capacity(cpu=4, gpu=4, memory=4))
    assert max(len(together) for together in launcher.together) == 2


def test_no_more_stages_are_in_flight_than_the_capacity_has():
    edges = {"end": [*"abcd"]} | {name: [] for name in "abcd"}
    launcher, few = Launcher(), Capacity(UNLIMITED, UNLIMITED, UNLIMITED, stages=2)
    ended = statuses(run_all(graph({n: edges[n] for n in "abcd"} | edges), edges, launcher, few))
    assert max(len(together) for together in launcher.together) == 2
    assert {*ended.values()} == {"ran"}
    assert len(ended) == 5


def test_a_stage_that_is_too_big_for_the_machine_runs_alone():
    edges = {"big": [], "small": []}
    launcher = Launcher()
    run_all(graph(edges, big=Needs(cpu=64)), edges, launcher, ROOMY)
    assert sorted(launcher.order) == ["big", "small"]
    assert not any(len(together) > 1 for together in launcher.together)


def test_what_most_hangs_on_comes_first_and_lighter_stages_do_not_overtake_it():
    edges = {"a": [], "b": [], "c": [], "wide": [], "end": ["wide"]}
    launcher = Launcher()
    run_all(graph(edges, wide=Needs(cpu=2)), edges, launcher, Capacity(cpu=2, gpu=0, memory=1))
    assert launcher.order[0] == "wide"
    edges = {"first": [], "wide": ["first"], "end": ["wide"], "a": [], "b": [], "c": []}
    launcher = Launcher()
    run_all(graph(edges, wide=Needs(cpu=2)), edges, launcher, Capacity(cpu=2, gpu=0, memory=1))
    assert launcher.order.index("wide") <= 3


def test_waiting_for_a_gpu_holds_up_no_stage_that_needs_none():
    edges = {"gpu1": [], "gpu2": [], "cpu": []}
    needs = {"gpu1": Needs(gpu=1), "gpu2": Needs(gpu=1)}
    launcher = Launcher()
    run_all(graph(edges, **needs), edges, launcher, ROOMY)
    assert {"gpu1", "cpu"} in launcher.together


@pytest.fixture
def without_a_card():
    if gpus.here():
        pytest.skip("a GPU computes here")


@pytest.mark.usefixtures("without_a_card")
@pytest.mark.parametrize("visible", ["", "0,1", "GPU-8c1c2c1f,GPU-5d0a7b3e"])
def test_a_machine_without_a_gpu_does_on_its_cores_what_would_have_one(monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    edges = {"a": [], "b": []}
    needs = {"a": Needs(gpu=1), "b": Needs(gpu=1)}
    launcher = Launcher()
    here = Capacity.of_this_machine(needs.values(), workers=2)
    run_all(graph(edges, **needs), edges, launcher, here)
    assert {"a", "b"} in launcher.together
    with gpus.Lender().lent(1) as environment:
        assert environment == {}


@pytest.mark.usefixtures("without_a_card")
@pytest.mark.parametrize(("device", "count"), [("cuda:1", 1), ("cpu", UNLIMITED), ("", UNLIMITED)])
def test_a_device_that_is_named_is_the_only_one(monkeypatch, device, count):
    monkeypatch.setenv("GPT1_DEVICE", device)
    assert Capacity.of_this_machine([Needs(gpu=1)]).gpu == count
    with gpus.Lender().lent(1) as environment:
        assert environment == {}


@pytest.mark.parametrize(
    ("computing", "visible", "names"),
    [
        (["cuda:0", "cuda:1"], None, ["0", "1"]),
        (["cuda:1"], None, ["1"]),  # the first is too old
        (["cuda:0", "cuda:1"], "3, 5", ["3", "5"]),
        (["cuda:1"], "GPU-8c1c,GPU-5d0a", ["GPU-5d0a"]),
        (["cuda:0"], "MIG-11,MIG-12", ["MIG-11", "MIG-12"]),
        (["mps:0"], None, ["mps:0"]),
        (["xpu:0", "xpu:1"], None, ["xpu:0"]),
        ([], "0,1", []),
    ],
)
def test_what_computes_is_lent_by_the_names_of_cuda_visible_devices(computing, visible, names):
    assert gpus.named(computing, visible) == names


def test_no_two_stages_have_the_same_gpu():
    lender = gpus.Lender(["0", "1"])
    with lender.lent(1) as one, lender.lent(0) as none, lender.lent(1) as other:
        assert [one, none, other] == [{gpus.VISIBLE: "0"}, {}, {gpus.VISIBLE: "1"}]
    with lender.lent(2) as both:
        assert both == {gpus.VISIBLE: "0,1"}


def test_stages_that_need_a_share_have_one_gpu_together_and_no_whole_one_beside_them():
    lender = gpus.Lender(["0", "1"])
    with lender.lent(0.3) as a, lender.lent(1) as whole, lender.lent(0.7) as b:
        assert (a, whole, b) == ({gpus.VISIBLE: "0"}, {gpus.VISIBLE: "1"}, {gpus.VISIBLE: "0"})
    with lender.lent(0.6) as a, lender.lent(0.6) as b, lender.lent(0.4) as c:
        assert a != b
        assert c in (a, b)
    with lender.lent(2) as both:
        assert both == {gpus.VISIBLE: "0,1"}
    edges = {name: [] for name in "abcde"}
    launcher = Launcher()
    quarter = dict.fromkeys(edges, Needs(cpu=0, gpu=0.25))
    run_all(graph(edges, **quarter), edges, launcher, Capacity(cpu=1, gpu=1, memory=1))
    assert max(len(together) for together in launcher.together) == 4


def test_the_weight_of_a_stage_is_the_number_of_those_that_hang_on_it():
    edges = {"a": [], "b": [], "c": ["a", "b"], "d": ["c"], "e": ["a"], "f": ["d", "e"]}
    made = graph(edges)
    counts = {name: len(made.downstream([name]) - {name}) for name in edges}
    assert made.downstream_counts() == counts


def test_a_failure_skips_what_hangs_on_it_and_nothing_else():
    found = run_all(graph(DIAMOND), DIAMOND, Launcher(fails=["left"]), ROOMY)
    assert statuses(found) == {"top": "ran", "left": "failed", "right": "ran", "end": "skipped"}


def test_fail_fast_starts_nothing_after_a_failure():
    edges = {"a": [], "b": [], "c": []}
    launcher = Launcher(fails=["a"])
    small = Capacity(cpu=1, gpu=0, memory=1)
    found = run_all(graph(edges), edges, launcher, small, keep_going=False)
    assert statuses(found) == {"a": "failed", "b": "skipped", "c": "skipped"}


def test_once_stopped_nothing_more_is_started():
    launcher = Launcher()
    found = run_all(graph(DIAMOND), DIAMOND, launcher, ROOMY, stopped=lambda: bool(launcher.order))
    assert statuses(found) == {
        "top": "ran",
        "left": "skipped",
        "right": "skipped",
        "end": "skipped",
    }
