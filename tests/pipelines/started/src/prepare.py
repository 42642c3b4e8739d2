"""Split the posts into training and test rows."""

import json
import os
import random
import sys
from pathlib import Path
from xml.etree import ElementTree

from ruamel.yaml import YAML

file = Path(os.environ.get("GPT1_PARAMS", "params.yaml"))
params = YAML(typ="safe").load(file)["prepare"]
chance = random.Random(params["seed"])
rows = {"train": [], "test": []}
for post in ElementTree.parse(sys.argv[1]).getroot():
    split = "test" if chance.random() < params["split"] else "train"
    rows[split].append([post.get("Body"), "<r>" in post.get("Tags")])
out = Path("data/prepared")
out.mkdir(parents=True, exist_ok=True)
for split, found in rows.items():
    (out / f"{split}.json").write_text(json.dumps(found))
