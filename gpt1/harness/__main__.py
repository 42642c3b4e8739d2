"""`lm_eval` with the model gpt1 in its registry: the same arguments.

Versions after 0.4.13 find the model by themselves, from the entry point in `pyproject.toml`.
"""

import sys
from importlib import import_module

from gpt1.errors import UserError, one_line

if __name__ == "__main__":
    if {"-h", "--help"} & {*sys.argv}:
        print("lm_eval with the model gpt1: --model gpt1 --model_args pretrained=models/gpt\n")
    try:
        import_module("gpt1.harness.model")  # registers it
        from lm_eval.__main__ import cli_evaluate

        cli_evaluate()
    except ModuleNotFoundError as missing:
        if missing.name != "lm_eval":
            raise
        sys.exit("error: lm_eval is not installed; it comes with the extra `eval` of gpt1")
    except UserError as error:
        sys.exit(f"error: {error}")
    except ConnectionError as error:
        sys.exit(f"error: {one_line(error)}; the harness takes its tasks' data from there")
