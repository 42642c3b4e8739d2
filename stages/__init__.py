"""One module for each kind of DVC stage; the helpers beside them are in docs/architecture.md."""

import os
import signal
import sys

if "OMP_WAIT_POLICY" not in os.environ:
    # libgomp reads it when PyTorch loads it. Threads that wait for each other spin 2,500 times, not
    # 300,000, before they sleep: a small training loses 7 % alone and gains half beside one busy
    # process (docs/log.md).
    os.environ.setdefault("GOMP_SPINCOUNT", "2500")

if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # `python -m stages.NAME` imports for seconds: Ctrl-C ends it without a traceback of imports,
    # until `entry.run` has it raise KeyboardInterrupt again.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
