"""Count the most frequent words of the training rows in every row."""

import json
import sys
from collections import Counter
from pathlib import Path

from ruamel.yaml import YAML
from words import words

prepared, out = map(Path, sys.argv[1:])
count = YAML(typ="safe").load(Path("params.yaml"))["featurize"]["max_features"]
texts = json.loads((prepared / "train.json").read_text())
totals = Counter(word for text, _ in texts for word in words(text))
known = [word for word, _ in totals.most_common(count)]
out.mkdir(parents=True, exist_ok=True)
for split in ("train", "test"):
    rows = json.loads((prepared / f"{split}.json").read_text())
    found = [[[words(text).count(word) for word in known], label] for text, label in rows]
    (out / f"{split}.json").write_text(json.dumps(found))
