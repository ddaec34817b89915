"""The AsyncAPI document against the official schema."""

import copy

import pytest
from jsonschema import Draft7Validator

from docs.make_asyncapi import document
from tests.support.asyncapi_schema import asyncapi_schema


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    return Draft7Validator(asyncapi_schema())


def test_the_document_is_valid_by_the_official_schema(official: Draft7Validator) -> None:
    assert [f"{error.json_path}: {error.message[:200]}" for error in official.iter_errors(document())] == []


@pytest.mark.parametrize(
    "broken",
    [
        {"asyncapi": "2.6.0"},
        {"channels": {"one": {"address": 1}}},
        {"operations": {"one": {"action": "publish", "channel": {"$ref": "#/channels/faces.assigned"}}}},
    ],
)
def test_the_official_schema_refuses_what_is_broken(official: Draft7Validator, broken: dict[str, object]) -> None:
    assert not official.is_valid({**copy.deepcopy(document()), **broken})
