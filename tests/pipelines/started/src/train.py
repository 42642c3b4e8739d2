"""Fit naive Bayes: a weight for each word, the difference of its log-probabilities."""

import json
import math
import sys
from pathlib import Path

from ruamel.yaml import YAML

features, out = map(Path, sys.argv[1:])
smoothing = YAML(typ="safe").load(Path("params.yaml"))["train"]["smoothing"]
rows = json.loads((features / "train.json").read_text())


def log_probabilities(label):
    counts = [each for each, is_r in rows if is_r == label]
    sums = [smoothing + sum(column) for column in zip(*counts, strict=True)]
    return [math.log(each / sum(sums)) for each in sums]


both = zip(log_probabilities(True), log_probabilities(False), strict=True)
weights = [a - b for a, b in both]
out.write_text(json.dumps(weights))
print(f"{len(rows)} rows, {len(weights)} weights")
