"""`kept_weights@SEED`: whether the fine-tuned models of a seed are kept.

A file for each seed, so that a change of the list in `params.yaml` reruns the fine-tunes of the
seeds that it concerns, and no others.
"""

from pathlib import Path

from gpt1.files import write_json
from gpt1.params import Compare
from stages import entry


def main(seed: int, out: Path) -> None:
    """Write whether `compare.kept_weights` names `seed`."""
    write_json(out, seed in entry.section(Compare, "compare").kept_weights)


if __name__ == "__main__":
    entry.run(main)
