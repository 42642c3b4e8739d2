"""Projects to try things on: `project` is empty, `workspace` has this project's own stages."""

import contextlib
import fcntl
import os
import random
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import settings
from ruamel.yaml import YAML
from selenium import webdriver

from pipelines.flow import servers
from stages import tracking
from stages.tracking import mlflow_run

ROOT = Path(__file__).parents[1]
UV = [sys.executable, "-m", "uv"]
SITE = "lib/python{}.{}/site-packages".format(*sys.version_info)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait spin, and this costs the others
settings.register_profile("busy", deadline=None)  # a busy machine is no failure
settings.load_profile("busy")


def pytest_collection_modifyitems(items):
    """The files that take longest first, so that at the end no process waits for another.

    Each file runs in one process (`--dist loadfile`), which makes its fixtures once.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (item.path.name != "test_pipeline.py", -slow[item.path]))


class Folder:
    """A folder in which commands run, with real git and real DVC."""

    variables = MappingProxyType({})
    """Of its environment, beside a newcomer's."""

    def __init__(self, root):
        self.root = root

    def write(self, stages, **params):
        """Write `dvc.yaml` and `params.yaml`."""
        self.dump({"stages": stages}, "dvc.yaml")
        self.dump(params or {"a": 1}, "params.yaml")

    def read(self, name):
        return YAML(typ="safe").load(self.root / name)

    def dump(self, values, name):
        YAML(typ="safe").dump(values, self.root / name)

    @property
    def environment(self):
        """As a newcomer has it, with the tools on the path and an empty home."""
        home = self.root / ".work" / "home"
        home.mkdir(parents=True, exist_ok=True)
        bin = os.path.dirname(sys.executable)
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("GPT1_", "DVC_", "PREFECT_"))
        }
        return kept | {
            "PATH": os.pathsep.join([bin, os.environ["PATH"]]),
            "HOME": str(home),
            "DVC_NO_ANALYTICS": "1",
            **self.variables,
        }

    def run(self, *command, check=True):
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            check=False,
            text=True,
            capture_output=True,
        )
        if check and done.returncode:
            raise AssertionError(f"{command} failed:\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *command, stdout=subprocess.DEVNULL):
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            text=True,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
        )

    def dvc(self, *arguments, **options):
        return self.run("dvc", *arguments, **options)

    def gpt1(self, *arguments, **options):
        return self.run("gpt1", *arguments, **options)

    @property
    def lock(self):
        return self.read("dvc.lock")

    def lay_out(self, databases):
        """Spare the first touch of Prefect's and MLflow's databases: about 10 s."""
        shutil.copytree(databases, self.root, dirs_exist_ok=True)

    def record(self, *stages):
        """One MLflow run for each stage, as the stage would make it in a process of its own.

        MLflow takes two seconds to import, and this process has imported it.
        """
        with contextlib.chdir(self.root), pytest.MonkeyPatch.context() as patch:
            for stage in stages:
                patch.setenv("DVC_STAGE", stage)
                with tracking.run():
                    pass


class Project(Folder):
    """A DVC project in a folder of its own."""

    def __init__(self, root):
        super().__init__(root)
        self.run("git", "init", "-q")
        (root / ".dvc").mkdir()  # all that `dvc init` does
        for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
            shutil.copy(ROOT / name, root / name)


class InstalledFolder(Folder):
    """A folder where `gpt1` and `python` are those of `environment`, which has the wheel."""

    def __init__(self, root, environment):
        super().__init__(root)
        self._bin = environment / "bin"

    @property
    def environment(self):
        kept = {k: v for k, v in super().environment.items() if not k.startswith("PYTHON")}
        return kept | {"PATH": os.pathsep.join([str(self._bin), "/usr/bin", "/bin"])}

    def run(self, command, *arguments, **options):
        own = self._bin / command
        return super().run(str(own) if own.exists() else command, *arguments, **options)

    def dvc(self, *arguments, **options):
        return self.run("python", "-m", "dvc", *arguments, **options)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this project, by way of its source archive, as `uv build` makes it."""
    out = tmp_path_factory.mktemp("dist")
    build = [*UV, "build", "--quiet", "--no-build-isolation", "--out-dir", out]
    subprocess.run(build, cwd=ROOT, check=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def environment(wheel, tmp_path_factory):
    """A virtual environment with the wheel, and the libraries of this one by their path alone."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (folder / SITE / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    subprocess.run(
        [*UV, "pip", "install", "-q", "--offline", "--no-deps", "--python", folder, wheel],
        check=True,
    )
    return folder


@pytest.fixture(scope="session")
def databases(tmp_path_factory):
    """A folder with `.prefect` and `.mlflow` as a first touch leaves them, made once a session."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # all processes of the session share it
    made = base / "databases"
    with (base / "databases.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            from mlflow import MlflowClient

            root = base / "databases.part"
            servers.start(root, "prefect")
            servers.stop(root, "prefect")
            shutil.rmtree(root / ".work")
            (root / mlflow_run.FOLDER).mkdir()
            MlflowClient(mlflow_run.database(root))  # no experiment: it would name this folder
            root.rename(made)
    return made


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("needs chromium and chromedriver (apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1600,1000"):
        options.add_argument(f"--{flag}")
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def new_project(tmp_path_factory):
    """Makes an empty project, for fixtures that several tests share."""
    return lambda: Project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project; the test is in its folder."""
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def workspace(project):
    """This project with tiny params and eight small books, its code copied so that it may change.

    Everything runs in about a minute; params are those of `params.yaml`, shrunk by `shrink`.
    """
    for name in ("gpt1", "stages", "pipelines", "corpora"):
        shutil.copytree(
            ROOT / name, project.root / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "dvc.yaml", project.root)
    shutil.copy(ROOT / "constraints.txt", project.root)
    project.dump(shrink(YAML(typ="safe").load(ROOT / "params.yaml")), "params.yaml")
    write_books(project.root / "books")
    return project


def shrink(params):
    """The same sections and names, at a size that takes seconds."""
    params["raw"]["path"] = "books"
    params["bpe"]["merges"] = 100
    for model in params["models"].values():
        model |= {"layers": 1, "width": 16, "heads": 2, "context": 32, "batch": 8, "micro_batch": 8}
        model |= {"epochs": min(model["epochs"], 1), "warmup": 2, "threads": 1}
    for task in params["derived_tasks"].values():
        task |= {"train": 16, "dev": 8, "test": 8}
    for task in params["finetune"].values():
        task |= {"epochs": 1, "batch": 8, "micro_batch": 8, "threads": 1}
    tasks = ["book", "next_sentence"]
    params["derived_tasks"] = {name: params["derived_tasks"][name] for name in tasks}
    params["compare"] |= {"tasks": tasks, "seeds": [1]}
    return params


def write_books(folder, books=8, paragraphs=20, seed=1):
    """Small novels: every book has its own people and places, so that it can be told apart."""
    folder.mkdir()
    chance = random.Random(seed)
    syllables = ["ba", "den", "far", "gol", "him", "kel", "lor", "mar", "nes", "ola", "sun", "wen"]
    verbs = ["saw", "met", "found", "left", "knew", "called", "followed", "forgot", "heard"]
    things = ["the house", "the road", "a letter", "the river", "an old friend", "her horse"]
    for book in range(books):
        names = ["".join(chance.sample(syllables, 2)).title() for _ in range(5)]
        text = "\n\n".join(
            " ".join(
                f"{chance.choice(names)} {chance.choice(verbs)} {chance.choice(things)} near "
                f"{chance.choice(names)}, and {chance.choice(verbs)} {chance.choice(things)}."
                for _ in range(chance.randint(3, 6))
            )
            for _ in range(paragraphs)
        )
        (folder / f"{names[0].lower()}_{book}.txt").write_text(f"{text}\n", encoding="utf-8")
