"""How much does each pretrained layer help? (section 5, "number of layers transferred")"""

from gpt1.errors import UserError
from gpt1.model.transformer import GPT


def first_layers(model: GPT, layers: int) -> GPT:
    """The embeddings and the first `layers` blocks of `model`; its other blocks drawn afresh.

    They are drawn from torch's own generator, which the caller seeds. Raises UserError when the
    model has fewer.
    """
    if not 0 <= layers <= model.config.layers:
        raise UserError(
            f"params.yaml: transfer.layers = {layers}, but the model has {model.config.layers}"
        )
    fresh = GPT(model.config)
    fresh.tokens.load_state_dict(model.tokens.state_dict())
    fresh.positions.load_state_dict(model.positions.state_dict())
    fresh.blocks[:layers].load_state_dict(model.blocks[:layers].state_dict())
    return fresh.eval()
