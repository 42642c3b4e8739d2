"""Transfer of the first layers alone (section 5, "Impact of number of layers transferred")."""

from gpt1.errors import UserError
from gpt1.model.language_model import LanguageModel
from gpt1.model.transformer import GPT


def first_layers(model: LanguageModel, layers: int) -> GPT:
    """A model with the embeddings and first `layers` blocks of `model`, the others reinitialized.

    What follows the last block, GPT-2's norm, goes with that block. Initialization uses torch's
    default generator, which the caller seeds. Raises UserError when the model has fewer blocks, or
    is no Transformer.
    """
    if not isinstance(model, GPT):
        raise UserError("params.yaml: transfer needs a Transformer as the model gpt")
    if not 0 <= layers <= model.config.layers:
        raise UserError(
            f"params.yaml: transfer.layers = {layers}, but the model has {model.config.layers}"
        )
    left = tuple(f"blocks.{layer}." for layer in range(layers, model.config.layers))
    if left:
        left += ("norm.",)
    fresh = type(model)(model.config)
    kept = {name: w for name, w in model.state_dict().items() if not name.startswith(left)}
    fresh.load_state_dict(kept, strict=False)
    return fresh.eval()
