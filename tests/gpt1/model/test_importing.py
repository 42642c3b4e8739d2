"""Weights of others: directories of `transformers`, and the layout released with the paper."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import OpenAIGPTConfig, OpenAIGPTLMHeadModel, OpenAIGPTTokenizer

from gpt1.errors import UserError
from gpt1.model.importing import import_model
from gpt1.model.transformer import GPT
from gpt1.tokens.bpe import BPETokenizer

VOCABULARY = ["<unk>", "a", "b", "a</w>", "b</w>", "ab</w>", "\n</w>"]


def their_model(vocab: int, context: int, width: int, layers: int) -> OpenAIGPTLMHeadModel:
    torch.manual_seed(0)
    heads = width // 64
    model = OpenAIGPTLMHeadModel(
        OpenAIGPTConfig(
            vocab_size=vocab, n_positions=context, n_embd=width, n_layer=layers, n_head=heads
        )
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)  # biases too
    return model.eval()


def write_released(model: OpenAIGPTLMHeadModel, folder: Path) -> None:
    """As the released files are: ten parts that end anywhere, and the shapes."""
    weights = dict(model.transformer.named_parameters())
    arrays = [weights["positions_embed.weight"], weights["tokens_embed.weight"]]
    for layer in range(model.config.n_layer):
        for module in ("attn.c_attn", "attn.c_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2"):
            for kind in ("weight", "bias"):
                array = weights[f"h.{layer}.{module}.{kind}"]
                arrays.append(array[None] if array.ndim == 2 else array)
    folder.mkdir()
    shapes = [list(array.shape) for array in arrays]
    (folder / "params_shapes.json").write_text(json.dumps(shapes))
    whole = torch.cat([array.detach().flatten() for array in arrays]).numpy()
    for part, numbers in enumerate(np.array_split(whole, 10)):
        np.save(folder / f"params_{part}.npy", numbers)


def write_vocabulary(folder: Path, symbols: list[str], names: tuple[str, str]) -> None:
    (folder / names[0]).write_text(json.dumps({symbol: i for i, symbol in enumerate(symbols)}))
    (folder / names[1]).write_text("#version: 0.2\na b</w>\n")


@pytest.fixture
def released(tmp_path: Path) -> Path:
    write_released(their_model(7, 16, 128, 2), tmp_path / "released")
    names = ("encoder_bpe_40000.json", "vocab_40000.bpe")
    write_vocabulary(tmp_path / "released", VOCABULARY, names)
    return tmp_path / "released"


def test_the_released_layout_gives_the_logits_of_the_same_weights(
    released: Path, tmp_path: Path
) -> None:
    import_model(released, tmp_path / "out")
    tokens = torch.randint(7, (2, 16))
    ours, theirs = GPT.load(tmp_path / "out"), their_model(7, 16, 128, 2)
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-5, rtol=0)
    assert BPETokenizer.load(tmp_path / "out").vocab == BPETokenizer.load(released).vocab
    opened = OpenAIGPTLMHeadModel.from_pretrained(tmp_path / "out").eval()
    torch.testing.assert_close(opened(tokens).logits, theirs(tokens).logits)


def test_a_directory_of_transformers_gives_the_same_logits(tmp_path: Path) -> None:
    theirs = their_model(7, 16, 128, 2)
    theirs.save_pretrained(tmp_path / "theirs")
    write_vocabulary(tmp_path / "theirs", VOCABULARY, ("vocab.json", "merges.txt"))
    import_model(tmp_path / "theirs", tmp_path / "out")
    tokens = torch.randint(7, (2, 16))
    logits = GPT.load(tmp_path / "out")(tokens)
    torch.testing.assert_close(logits, theirs(tokens).logits, atol=1e-5, rtol=0)


def test_so_does_one_saved_without_its_head(tmp_path: Path) -> None:
    theirs = their_model(7, 16, 128, 2)
    theirs.transformer.save_pretrained(tmp_path / "theirs")  # no "transformer." before the names
    tokens = torch.randint(7, (2, 16))
    logits = GPT.load(tmp_path / "theirs")(tokens)
    torch.testing.assert_close(logits, theirs(tokens).logits, atol=1e-5, rtol=0)


def saved_by_transformers(folder: Path, **options: str) -> OpenAIGPTLMHeadModel:
    theirs = their_model(7, 16, 128, 2)
    theirs.save_pretrained(folder, **options)
    write_vocabulary(folder, VOCABULARY, ("vocab.json", "merges.txt"))
    return theirs


def change_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def test_weights_in_parts_give_the_same_logits_and_a_missing_part_is_named(tmp_path: Path) -> None:
    theirs = saved_by_transformers(tmp_path / "theirs", max_shard_size="300KB")
    parts = sorted((tmp_path / "theirs").glob("model-*.safetensors"))
    assert len(parts) > 2
    import_model(tmp_path / "theirs", tmp_path / "out")
    tokens = torch.randint(7, (2, 16))
    logits = GPT.load(tmp_path / "out")(tokens)
    torch.testing.assert_close(logits, theirs(tokens).logits, atol=1e-5, rtol=0)
    parts[1].unlink()
    with pytest.raises(UserError, match=rf"the part {parts[1].name} is not beside it"):
        import_model(tmp_path / "theirs", tmp_path / "again")


def test_the_embedding_may_be_saved_under_the_name_of_the_head(tmp_path: Path) -> None:
    theirs = saved_by_transformers(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["lm_head.weight"] = weights.pop("transformer.tokens_embed.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    tokens = torch.randint(7, (2, 16))
    logits = GPT.load(tmp_path)(tokens)
    torch.testing.assert_close(logits, theirs(tokens).logits, atol=1e-5, rtol=0)
    opened = OpenAIGPTLMHeadModel.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(opened(tokens).logits, theirs(tokens).logits)


def test_a_head_of_its_own_is_refused_whatever_the_config_says(tmp_path: Path) -> None:
    saved_by_transformers(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["lm_head.weight"] = weights["transformer.tokens_embed.weight"] + 1
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"lm_head\.weight and tokens_embed\.weight differ"):
        GPT.load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("afn", "relu", "afn is 'relu'; the network of GPT-1 has 'gelu'"),
        ("layer_norm_epsilon", 1e-3, "layer_norm_epsilon is 0.001; the network of GPT-1 has 1e-05"),
        ("tie_word_embeddings", False, "tie_word_embeddings is False"),
        ("quantization_config", {"bits": 8}, "quantization_config is"),
        ("attn_pdrop", 0.0, r"attn_pdrop 0\.0, resid_pdrop 0\.1; the network has one dropout rate"),
        ("n_head", 3, "n_embd 128 has no 3 equal heads"),
        ("n_layer", "2", "n_layer is '2', not a whole number"),
        ("n_layer", 1, "has more layers than the 1 of config.json"),
        ("n_layer", 3, r"the weight h\.2\..* is missing"),
        ("n_positions", 8, "config.json does not describe model.safetensors"),
        ("vocab_size", 9, "config.json does not describe model.safetensors"),
        ("model_type", "bert", "model_type is 'bert', neither 'openai-gpt' nor 'gpt2'"),
    ],
)
def test_a_config_of_another_network_is_refused(
    tmp_path: Path, key: str, value: object, said: str
) -> None:
    saved_by_transformers(tmp_path / "theirs")
    change_config(tmp_path / "theirs", **{key: value})
    with pytest.raises(UserError, match=said):
        import_model(tmp_path / "theirs", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_files_of_todays_tokenizer_will_do_and_added_tokens_keep_their_ids(
    tmp_path: Path,
) -> None:
    vocab = {symbol: id for id, symbol in enumerate(VOCABULARY)}
    theirs = OpenAIGPTTokenizer(vocab=vocab, merges=[("a", "b</w>")])
    theirs.add_special_tokens({"pad_token": "[PAD]", "additional_special_tokens": ["q"]})
    theirs.save_pretrained(tmp_path / "theirs")
    assert not (tmp_path / "theirs/vocab.json").exists()
    network = their_model(7, 16, 128, 2)
    network.resize_token_embeddings(len(theirs))
    network.save_pretrained(tmp_path / "theirs")
    import_model(tmp_path / "theirs", tmp_path / "out")
    tokenizer = BPETokenizer.load(tmp_path / "out")
    assert len(tokenizer) == len(theirs) == 9
    assert tokenizer.encode("ab a b") == theirs("ab a b")["input_ids"] == [5, 3, 4]
    assert tokenizer.encode("aqb") == [1, 0, 4], "text is never taken for an added token"
    ids = [5, theirs.convert_tokens_to_ids("[PAD]"), 3]
    assert tokenizer.decode(ids) == "ab [PAD] a"
    assert "".join(tokenizer.continuation(ids)) == " ab [PAD] a"
    assert [*tokenizer.ends_word()] == [False] * 3 + [True] * 6
    tokens = torch.randint(9, (2, 16))
    logits = GPT.load(tmp_path / "out")(tokens)
    torch.testing.assert_close(logits, network(tokens).logits, atol=1e-5, rtol=0)
    assert len(OpenAIGPTTokenizer.from_pretrained(tmp_path / "out")) == 9
    their_model(7, 16, 128, 2).save_pretrained(tmp_path / "theirs")  # no rows for those tokens
    import_model(tmp_path / "theirs", tmp_path / "out")
    assert len(BPETokenizer.load(tmp_path / "out")) == 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "WordPiece"}, "model.type is 'WordPiece'"),
        ({"end_of_word_suffix": None}, "model.end_of_word_suffix is None"),
        ({"byte_fallback": True}, "model.byte_fallback is True"),
        ({"merges": []}, "no merge makes ab</w>"),
        ({"merges": ["a b</w>", "b a</w>"]}, "a merge has ba</w>, which has no id"),
        ({"vocab": {"<unk>": 0, "a": 5}}, "the ids are not those from 0"),
    ],
)
def test_a_tokenizer_of_another_kind_is_refused(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    vocab = {symbol: id for id, symbol in enumerate(VOCABULARY)}
    OpenAIGPTTokenizer(vocab=vocab, merges=[("a", "b</w>")]).save_pretrained(tmp_path)
    values = json.loads((tmp_path / "tokenizer.json").read_text())
    values["model"] |= change
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=rf"no vocabulary of a GPT-1 or GPT-2 \({said}"):
        BPETokenizer.load(tmp_path)


def test_a_missing_part_is_named_and_nothing_is_written(released: Path, tmp_path: Path) -> None:
    (released / "params_7.npy").unlink()
    with pytest.raises(UserError, match=r"params_7\.npy is missing"):
        import_model(released, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_part_cut_short_is_refused(released: Path, tmp_path: Path) -> None:
    np.save(released / "params_7.npy", np.load(released / "params_7.npy")[:-1])
    with pytest.raises(UserError, match="copy all parts again"):
        import_model(released, tmp_path / "out")


def test_weights_of_another_vocabulary_are_refused(released: Path, tmp_path: Path) -> None:
    names = ("encoder_bpe_40000.json", "vocab_40000.bpe")
    write_vocabulary(released, [*VOCABULARY, "c"], names)
    with pytest.raises(UserError, match="7 token rows, the vocabulary 8"):
        import_model(released, tmp_path / "out")


def test_a_file_is_no_place_for_a_model_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in ("file", "file/below"):
        with pytest.raises(UserError, match="file is a file; name a folder"):
            import_model(tmp_path, tmp_path / place)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    write_vocabulary(tmp_path, VOCABULARY, ("vocab.json", "merges.txt"))
    (tmp_path / "pytorch_model.bin").write_bytes(b"!")
    with pytest.raises(UserError, match="which is a pickle"):
        import_model(tmp_path, tmp_path / "out")


@pytest.mark.nightly
def test_the_released_layout_at_full_shape(tmp_path: Path) -> None:
    write_released(their_model(40_478, 512, 768, 12), tmp_path / "released")
    symbols = [*VOCABULARY, *(chr(0x20000 + i) for i in range(40_478 - 7))]
    names = ("encoder_bpe_40000.json", "vocab_40000.bpe")
    write_vocabulary(tmp_path / "released", symbols, names)
    import_model(tmp_path / "released", tmp_path / "out")
    model = GPT.load(tmp_path / "out")
    assert sum(parameter.numel() for parameter in model.parameters()) == 116_534_784
    tokens = torch.randint(40_478, (1, 32))
    logits = their_model(40_478, 512, 768, 12)(tokens).logits
    torch.testing.assert_close(model(tokens), logits, atol=1e-5, rtol=0)


DEEP = "[" * 100_000


def saved(array: object) -> bytes:
    """The bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n",
        b"<html>404</html>",
        saved(np.ones(9, np.float32))[:100],
        saved(np.ones(9, np.float32))[:-4],
        saved(np.ones((1, 9), np.float32)),
        saved(np.array(["x", None], object)),
        saved(np.ones(9, np.int32)),
    ],
)
def test_a_damaged_part_is_named_with_no_word_of_pickles(
    released: Path, tmp_path: Path, content: bytes
) -> None:
    (released / "params_3.npy").write_bytes(content)
    with pytest.raises(UserError) as error:
        import_model(released, tmp_path / "out")
    assert str(error.value) == f"{released}/params_3.npy: damaged or cut short; copy it again"


def changed_shapes(text: str, folder: Path) -> str:
    """`place=shape` with the shape of one array changed, or the whole file."""
    if "=" not in text:
        return text
    shapes = json.loads((folder / "params_shapes.json").read_text())
    place, shape = text.split("=")
    shapes[int(place)] = json.loads(shape)
    return json.dumps(shapes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        (DEEP, "not JSON"),
        ("{}", "not a list of shapes"),
        ("[1, 2]", "not a list of shapes"),
        ('[["a"]]', "not a list of shapes"),
        ("0=[16.0, 128.0]", "not a list of shapes"),
        ("0=[-16, -128]", "not a list of shapes"),
        ("[]", "0 shapes are not those of a GPT-1"),
        ("[[1, 64], [1, 64], [1]]", "3 shapes are not those of a GPT-1"),
        ("0=[2048]", r"the embeddings have the shapes \[2048\] and \[7, 128\]"),
        ("0=[64, 32]", r"the embeddings have the shapes \[64, 32\]"),
        ("1=[14, 64]", r"array 1 has the shape \[14, 64\]; in a GPT-1 of width 128 it is \[14, 12"),
        ("2=[1, 384, 128]", r"array 2 has the shape \[384, 128\]; .* it is \[128, 384\]"),
    ],
)
def test_shapes_of_another_network_are_refused(
    released: Path, tmp_path: Path, text: str, said: str
) -> None:
    (released / "params_shapes.json").write_text(changed_shapes(text, released))
    with pytest.raises(UserError, match=rf"params_shapes\.json: {said}"):
        import_model(released, tmp_path / "out")


@pytest.mark.parametrize("rate", [1.5, 1, -1, "x", None, [0.1], True, float("nan")])
def test_a_dropout_rate_that_is_none_is_refused(tmp_path: Path, rate: object) -> None:
    saved_by_transformers(tmp_path)
    change_config(tmp_path, embd_pdrop=rate, attn_pdrop=rate, resid_pdrop=rate)
    with pytest.raises(UserError, match=r"config\.json: embd_pdrop is .*, not a rate from 0 to"):
        GPT.load(tmp_path)


@pytest.mark.parametrize("value", [["model.safetensors"], None, {"a": 1}])
def test_an_index_that_names_no_files_is_refused(tmp_path: Path, value: object) -> None:
    saved_by_transformers(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": value}))
    with pytest.raises(UserError, match=r"index\.json: weight_map does not give the file"):
        GPT.load(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "tokenizer.json"])
def test_json_that_is_nested_too_deeply_is_refused_with_its_file(tmp_path: Path, name: str) -> None:
    saved_by_transformers(tmp_path / "theirs")
    (tmp_path / "theirs" / name).write_text(DEEP)
    with pytest.raises(UserError, match=rf"{name}: not JSON"):
        import_model(tmp_path / "theirs", tmp_path / "out")


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "merges.txt"])
def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path, name: str) -> None:
    saved_by_transformers(tmp_path / "theirs")
    file = tmp_path / "theirs" / name
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    import_model(tmp_path / "theirs", tmp_path / "out")
    assert GPT.load(tmp_path / "out").config.vocab == 7


@pytest.mark.parametrize("id", [1.0, True, "1", None])
def test_an_id_that_is_no_whole_number_is_refused(tmp_path: Path, id: object) -> None:
    symbols = {symbol: place for place, symbol in enumerate(VOCABULARY)}
    write_vocabulary(tmp_path, VOCABULARY, ("vocab.json", "merges.txt"))
    (tmp_path / "vocab.json").write_text(json.dumps(symbols | {"a": id}))
    with pytest.raises(UserError, match=rf"the token 'a' has the id {id!r}"):
        BPETokenizer.load(tmp_path)


def test_an_added_token_without_content_is_refused(tmp_path: Path) -> None:
    vocab = {symbol: id for id, symbol in enumerate(VOCABULARY)}
    OpenAIGPTTokenizer(vocab=vocab, merges=[("a", "b</w>")]).save_pretrained(tmp_path)
    values = json.loads((tmp_path / "tokenizer.json").read_text())
    values["added_tokens"] = [{"content": None, "id": 7}]
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match="the token None has the id 7"):
        BPETokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("h.1.ln_1.bias", torch.full((128,), torch.nan), r"h\.1\.ln_1\.bias has NaN or infinity"),
        ("h.1.ln_1.bias", torch.full((128,), torch.inf), r"h\.1\.ln_1\.bias has NaN or infinity"),
        ("h.1.ln_1.bias", torch.ones(128).to(torch.float8_e4m3fn), "float8_e4m3fn; save it unquan"),
        ("h.1.ln_1.weight_scale", torch.ones(1), r"has no weight h\.1\.ln_1\.weight_scale; merge"),
        ("h.1.attn.c_attn.lora_A.weight", torch.ones(2, 2), "lora_A.weight; merge adapters"),
        ("h.5.ln_1.weight", torch.ones(128), r"h\.5\.ln_1\.weight: has more layers than the 2"),
        ("score.weight", torch.ones(2, 128), r"no weight score\.weight; .* remove other heads"),
    ],
)
def test_weights_that_are_not_those_of_the_network_are_refused(
    tmp_path: Path, name: str, tensor: torch.Tensor, said: str
) -> None:
    saved_by_transformers(tmp_path / "theirs")
    weights = load_file(tmp_path / "theirs/model.safetensors") | {f"transformer.{name}": tensor}
    save_file(weights, tmp_path / "theirs/model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=said):
        import_model(tmp_path / "theirs", tmp_path / "out")


def test_a_weight_under_both_its_names_is_refused(tmp_path: Path) -> None:
    saved_by_transformers(tmp_path)
    weights = load_file(tmp_path / "model.safetensors") | {
        "tokens_embed.weight": torch.ones(7, 128)
    }
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="a weight is there twice"):
        GPT.load(tmp_path)


def test_the_causal_mask_that_older_versions_saved_is_no_weight(tmp_path: Path) -> None:
    theirs = saved_by_transformers(tmp_path)
    mask = torch.ones(16, 16).tril()[None, None]
    weights = load_file(tmp_path / "model.safetensors") | {"transformer.h.0.attn.bias": mask}
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    tokens = torch.randint(7, (2, 16))
    torch.testing.assert_close(GPT.load(tmp_path)(tokens), theirs(tokens).logits, atol=1e-5, rtol=0)
