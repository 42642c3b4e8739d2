"""The entry of the command `gpt1`, also as `python -m gpt1`; nothing else here imports upwards."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of imports; `main` raises it again

from pipelines.cli import main

if __name__ == "__main__":
    main()
