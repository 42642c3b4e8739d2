"""One module for each kind of DVC stage; the helpers beside them are in docs/architecture.md."""

import os

if "OMP_WAIT_POLICY" not in os.environ:
    # libgomp reads it when PyTorch loads it. Threads that wait for each other spin 2,500 times, not
    # 300,000, before they sleep: a small training loses 7 % alone and gains half beside one busy
    # process (docs/log.md).
    os.environ.setdefault("GOMP_SPINCOUNT", "2500")
