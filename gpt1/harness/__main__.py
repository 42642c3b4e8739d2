"""`lm_eval` with the model gpt1 in its registry: the same arguments.

Versions after 0.4.13 find the model by themselves, from the entry point in `pyproject.toml`.
"""

from lm_eval.__main__ import cli_evaluate

import gpt1.harness.model  # noqa: F401: registers it

if __name__ == "__main__":
    cli_evaluate()
