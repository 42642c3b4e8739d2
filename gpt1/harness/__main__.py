"""`lm_eval` with the model gpt1 in its registry: the same arguments.

Versions after 0.4.13 find the model by themselves, from the entry point in `pyproject.toml`.
"""

import sys

from gpt1.errors import UserError

if __name__ == "__main__":
    try:
        from lm_eval.__main__ import cli_evaluate

        import gpt1.harness.model  # noqa: F401: registers it
    except ModuleNotFoundError as missing:
        sys.exit(f"error: {missing.name} is not installed; pip install 'gpt1[eval]'")
    try:
        cli_evaluate()
    except UserError as error:
        sys.exit(f"error: {error}")
