"""The options of one run, the same from the command line, the Prefect UI and a deployment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """`pipelines.flow.pipeline` describes each, for the form in Prefect's UI."""

    targets: list[str] | None = None
    workers: int | None = None
    keep_going: bool = True
    force: bool = False
    on_workers: bool = False
