"""The options of one run, the same from the command line, the Prefect UI and a deployment."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Their descriptions stand at `pipelines.flow.pipeline`, where Prefect makes a form of them."""

    targets: list[str] | None = None
    workers: int | None = None
    keep_going: bool = True
    force: bool = False
    on_workers: bool = False
