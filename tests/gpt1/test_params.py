from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gpt1 import params
from gpt1.errors import UserError

SHIPPED = YAML(typ="safe").load(Path(__file__).parents[2] / "params.yaml")
PROFILES = Path(__file__).parents[2] / "profiles"
GPT = SHIPPED["models"]["gpt"]


def refusal(values: dict) -> str:
    with pytest.raises(UserError) as error:
        params.parse(params.Model, values, "models.gpt")
    return str(error.value)


def test_an_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    assert refusal(GPT | {"layer": 3}).endswith("did you mean layers?")


def test_a_missing_key_is_named() -> None:
    assert "models.gpt.width is missing" in refusal(
        {name: value for name, value in GPT.items() if name != "width"}
    )


@pytest.mark.parametrize(
    ("bad", "allowed"),
    [
        ({"layers": 0}, "greater than or equal to 1"),
        ({"precision": "fp64"}, "'bf16' or 'fp32'"),
        ({"dropout": 1.0}, "less than 1"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(bad: dict, allowed: str) -> None:
    message = refusal(GPT | bad)
    assert next(iter(bad)) in message
    assert allowed in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ({"width": 32, "heads": 5}, "heads: 5 do not divide width: 32"),
        ({"batch": 8, "micro_batch": 3}, "micro_batch: 3 does not divide batch: 8"),
    ],
)
def test_keys_that_do_not_fit_together_are_refused(bad: dict, rule: str) -> None:
    assert refusal(GPT | bad).endswith(rule)


def test_a_section_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(UserError, match="clean must be a section"):
        params.parse(params.Clean, None, "clean")


def test_differences_name_what_departs_from_the_paper_and_nothing_else() -> None:
    model = params.parse(params.Model, GPT | {"layers": 3, "dropout": 0.1}, "models.gpt")
    found = params.differences(model)
    assert found["layers"] == (12, 3)
    assert "dropout" not in found
    assert "seed" not in found  # the paper names none


NOTHING_ELSE = {
    "compare": SHIPPED["compare"] | {"models": ["gpt"]},
    "samples": SHIPPED["samples"] | {"models": []},
}
OWN = {"path": "x", "shape": "classification", "metrics": [], "files": {}, "columns": {}}
PAIR = {"seeds": [1], "books": 1.0, "contiguous": ["gpt"], "shuffled": ["gpt"]}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"finetune": {"book": {"learning_rat": 1}}}, "did you mean learning_rate"),
        ({"compare": SHIPPED["compare"] | {"models": ["gtp"]}}, "names gtp, which has no section"),
        ({"compare": SHIPPED["compare"] | {"tasks": ["books"]}}, "names books, which has no"),
        ({"compare": SHIPPED["compare"] | {"seeds": []}}, "are all empty, or none of them"),
        (
            {"compare": SHIPPED["compare"] | {"kept_weights": [1, 2]}},
            r"compare\.kept_weights has 2, which is none of compare\.seeds",
        ),
        (
            {
                "compare": SHIPPED["compare"] | {"tasks": ["same_book"]},
                "no_auxiliary": {"tasks": ["book"], "seeds": [1]},
            },
            "no_auxiliary.tasks names book, which is not compared",
        ),
        ({"shuffling": PAIR | {"shuffled": ["gtp"]}}, "names gtp, which has no section"),
        (
            {"imported": {"x": {"path": "x"}}, "shuffling": PAIR | {"shuffled": ["x"]}},
            "shuffling.shuffled names x, which has no section; there are gpt, scratch",
        ),
        ({"shuffling": PAIR | {"books": 0.5}}, "models.gpt.books must be 0.5"),
        ({"finetun": {}}, "finetun is no section; did you mean finetune"),
        *(
            ({"models": {"gpt": GPT | {"checkpoints": [wrong]}}}, r"checkpoints\.0 = .* 10M words")
            for wrong in ("10 M words", "0M words", -1, 1.5, True)
        ),
        ({"compare": None}, "compare must be a section"),
        ({"samples": SHIPPED["samples"] | {"models": ["gtp"]}}, "samples.models names gtp"),
        ({"scaling": {"models": ["gtp"]}}, "scaling.models names gtp"),
        ({"scaling": {"models": ["gpt", "scratch"]}}, "scratch, which reads no books"),
        (
            {
                "scaling": {"models": ["gpt", "l"]},
                "models": {"gpt": GPT, "l": GPT | {"kind": "lstm"}},
                **NOTHING_ELSE,
            },
            r"models\.l\.kind must be that of models\.gpt, with which scaling compares it",
        ),
        (
            {
                "shuffling": PAIR | {"shuffled": ["s"]},
                "models": {"gpt": GPT, "s": GPT | {"learning_rate": 1}},
                **NOTHING_ELSE,
            },
            r"models\.s\.learning_rate must be that of models\.gpt, with which shuffling",
        ),
        ({"contamination": {"tasks": ["x"], "drop": []}}, "contamination.tasks names x"),
        ({"finetune": {}}, "which has no recipe: add finetune.book"),
        (
            {"transfer": SHIPPED["transfer"] | {"layers": [0, 5]}},
            r"transfer\.layers has 5, and models\.gpt has 4",
        ),
        (
            {"models": SHIPPED["models"] | {"../gpt": GPT}},
            r"models\.\.\./gpt: a name has only letters",
        ),
        ({"models": ["gpt"]}, "models must hold a section for each name"),
        ({"imported": None}, "imported must hold a section for each name; {}: none"),
        ({"imported": {"gpt": {"path": "x"}}}, r"imported\.gpt: models has that name, too"),
        ({"imported": {"transfer_0": {"path": "x"}}}, "transfer_0: reserved for ablation results"),
        (
            {"imported": {"bpe": {"path": "x"}}},
            r"imported\.bpe: reserved for the books' vocabulary",
        ),
        ({"imported": {"x": {"path": ""}}}, r"imported\.x\.path = ''"),
        ({"compare": SHIPPED["compare"] | {"seeds": [-1]}}, r"compare\.seeds\.0 = -1"),
        ({"compare": SHIPPED["compare"] | {"seeds": [True]}}, r"compare\.seeds\.0 = True"),
        (
            {"compare": SHIPPED["compare"] | {"seeds": [1, 1]}},
            r"compare\.seeds = \[1, 1\]: 1 is listed",
        ),
        ({"samples": SHIPPED["samples"] | {"models": ["gpt", "gpt"]}}, "gpt is listed twice"),
        ({"corpus": "books"}, r"corpus = 'books': must be \[books\]"),
        ({"models": {1: GPT}}, r"models\.1: a name has only letters.*; put numbers in quotes"),
        *(
            ({"raw": {"path": path}}, rf"raw\.path = .*: a path must not {said}")
            for path, said in [
                ('a "b"', "have '\"', which a shell would interpret"),
                ("a$b", r"have '\$'"),
                ("a`b", "have '`'"),
                ("a\\b", "have"),
                ("a\nb", "have"),
                ("~/books", "begin with ~; write it in full"),
                ("-x", "begin with -"),
            ]
        ),
        ({"imported": {"x": {"path": "~/x"}}}, r"imported\.x\.path .* begin with ~"),
        ({"tasks": {"sst2": {"path": "$HOME"}}}, r"tasks\.sst2\.path .* have '\$'"),
        ({"models": {"gpt": GPT | {"shards": "a b"}}}, r"models\.gpt\.shards = 'a b'"),
        *(
            (
                {"tasks": {"mine": OWN | {"labels": [label, "a"]}}},
                rf"tasks\.mine\.labels\.0 = {label}: this is no text; put it in quotes",
            )
            for label in (0, 1.5, True)
        ),
        ({"tasks": {"sst2": None}}, r"tasks\.sst2 must be a section"),
        ({"tasks": {"sst2": {"pth": "x"}}}, r"tasks\.sst2\.pth is no key .* mean path"),
        ({"tasks": {"mine": {"path": "x", "shape": "entailment"}}}, r"tasks\.mine\.labels is miss"),
    ],
)
def test_a_mistake_anywhere_is_found_before_anything_runs(change: dict, named: str) -> None:
    params.check(SHIPPED)
    with pytest.raises(UserError, match=named):
        params.check(SHIPPED | change)


@pytest.mark.parametrize("missing", ["raw", "clean", "compare", "models", "corpus"])
def test_a_section_that_is_missing_is_named(missing: str) -> None:
    rest = {name: values for name, values in SHIPPED.items() if name != missing}
    with pytest.raises(UserError, match=f"params.yaml: {missing} is missing"):
        params.check(rest)


def test_sections_of_one_s_own_and_projects_with_no_section_of_ours_are_left_alone() -> None:
    params.check(SHIPPED | {"plots": {"width": 3}})
    params.check({"train": {"model": "x"}})


@pytest.mark.parametrize("profile", sorted(path.name for path in PROFILES.glob("*.yaml")))
def test_every_profile_is_complete_and_in_range(profile: str) -> None:
    params.check(YAML(typ="safe").load(PROFILES / profile))
