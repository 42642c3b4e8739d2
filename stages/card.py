"""`card@NAME`: the model card of a model, for a hub."""

from pathlib import Path

from gpt1.analysis.model_card import model_card
from gpt1.files import publish
from gpt1.params import Card, Model, ZeroShot
from stages import entry, tracking


def main(*, model: Path, metrics: Path, out: Path) -> None:
    """Write `README.md` for the model directory `model`, a pretrained or an imported one."""
    name = model.name
    card = entry.section(Card, f"cards.{name}")
    recipe = entry.sections(Model, "models").get(name)
    with tracking.run() as run, publish(out) as folder:
        run.params(card)
        text = model_card(model, metrics, card, recipe, entry.section(ZeroShot, "zero_shot"))
        folder.mkdir()
        (folder / "README.md").write_text(text, "utf-8")


if __name__ == "__main__":
    entry.run(main)
