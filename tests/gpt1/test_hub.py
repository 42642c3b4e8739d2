"""Addresses on the hub: a commit is the one revision that cannot move."""

import pytest

from gpt1.errors import UserError
from gpt1.hub import check_pinned

COMMIT = "607a30d783dfa663caf39e06633721c8d4cfcd7e"


@pytest.mark.parametrize(
    "address",
    [
        f"hf://o/n@{COMMIT}/a.parquet",
        f"hf://datasets/o/n@{COMMIT}/*/a.parquet",
        f"hf://o/n@{COMMIT}",
        f"zip://a.csv::hf://datasets/o/n@{COMMIT}/a.zip",
        "https://example.org/@main/a.parquet",
        "books/@main/a.parquet",
    ],
)
def test_a_commit_is_taken_and_so_is_any_address_elsewhere(address: str) -> None:
    check_pinned(address, "a.yaml: at")


@pytest.mark.parametrize("kind", ["", "datasets/", "spaces/"])
@pytest.mark.parametrize(
    ("revision", "asked"),
    [
        ("", "main"),
        ("@REVISION", "main"),
        ("@main", "main"),
        ("@v1.0", "v1.0"),
        (f"@{COMMIT}0", f"{COMMIT}0"),
        ("@refs%2Fpr%2F1", "refs/pr/1"),
    ],
)
@pytest.mark.parametrize("before", ["", "zip://a.csv::"])
def test_a_branch_or_a_tag_is_refused_with_the_way_to_the_hash(
    kind: str, revision: str, asked: str, before: str
) -> None:
    with pytest.raises(UserError) as refused:
        check_pinned(f"{before}hf://{kind}o/n{revision}/a.zip", "a.yaml: at")
    said = str(refused.value)
    assert said.startswith("a.yaml: at ")
    assert f"pin hf://{kind}o/n@HASH" in said
    assert said.endswith(f"`git ls-remote https://huggingface.co/{kind}o/n {asked}`")
    assert "\n" not in said


@pytest.mark.parametrize("revision", [COMMIT[:7], COMMIT.upper()])
def test_a_hash_in_part_or_in_capitals_is_to_be_written_out(revision: str) -> None:
    with pytest.raises(UserError, match=f"^a.yaml: at has {revision}; write all 40 digits"):
        check_pinned(f"hf://o/n@{revision}/a.zip", "a.yaml: at")
