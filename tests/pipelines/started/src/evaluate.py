"""Score the test rows: a metric, and what to plot."""

import csv
import json
import sys
from pathlib import Path

model, features = map(Path, sys.argv[1:])
weights = json.loads(model.read_text())
rows = json.loads((features / "test.json").read_text())
scores = [sum(n * w for n, w in zip(counts, weights, strict=True)) for counts, _ in rows]
correct = [(score > 0) == label for score, (_, label) in zip(scores, rows, strict=True)]
Path("eval/plots").mkdir(parents=True, exist_ok=True)
Path("eval/metrics.json").write_text(json.dumps({"accuracy": sum(correct) / len(rows)}))
with Path("eval/plots/scores.csv").open("w", newline="") as file:
    rows = zip(scores, map(int, correct), strict=True)
    csv.writer(file).writerows([["score", "correct"], *rows])
