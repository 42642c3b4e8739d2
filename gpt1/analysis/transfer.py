"""Transfer of the first layers alone (section 5, "Impact of number of layers transferred")."""

from gpt1.errors import UserError
from gpt1.model.transformer import GPT


def first_layers(model: GPT, layers: int) -> GPT:
    """A model with the embeddings and first `layers` blocks of `model`, the others reinitialized.

    Initialization uses torch's default generator, which the caller seeds. Raises UserError when the
    model has fewer blocks.
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
