"""The table of rights on servers that keep to it: all that users do is allowed, and all that is allowed they do."""

import re
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Literal

import pytest

from shared.access.rights import RIGHTS, KafkaRight
from shared.errors import FacestreamError, Fatal
from shared.settings import BucketSettings
from tests.support.fixtures import needed
from tests.support.restricted_stack import RestrictedStack, restricted_stack
from tests.support.rights_calls import use_kafka, use_minio, use_mongo
from tests.support.rights_workflows import everything
from tools.stack.kafka_users import decisions, without
from tools.stack.mongo_roles import limited

pytestmark = pytest.mark.slow

_PATIENCE = 20.0  # seconds until MinIO has posted what it was asked
_USERS = pytest.mark.parametrize("user", RIGHTS)


@pytest.fixture(scope="module")
def world(servers: Path) -> Iterator[RestrictedStack]:
    with needed(), restricted_stack(servers / "rights") as found:
        everything(found, servers / "rights" / "work")
        yield found


def test_nobody_is_refused_what_he_does(world: RestrictedStack) -> None:
    assert not [right for right in decisions(world.stack.kafka) if right.user in RIGHTS and not right.allowed]
    assert not [request for request in world.requested if not request.allowed]


@_USERS
def test_a_user_of_kafka_uses_each_of_its_rights(world: RestrictedStack, user: str) -> None:
    used = {
        (it.resource, it.name, it.operation) for it in decisions(world.stack.kafka) if it.user == user and it.allowed
    }

    def is_used(right: KafkaRight, operation: str) -> bool:
        return any(
            (resource, done) == (right.resource, operation)
            and (name == right.name if right.pattern == "literal" else name.startswith(right.name))
            for resource, name, done in used
        )

    given = [(right, operation) for right in RIGHTS[user].kafka for operation in right.operations]
    assert not [(right, operation) for right, operation in given if not is_used(right, operation)]


@_USERS
def test_a_user_of_minio_uses_each_of_its_rights_and_no_other(world: RestrictedStack, user: str) -> None:
    given = {(right.bucket, action) for right in RIGHTS[user].buckets for action in right.actions}

    def used() -> set[tuple[str, str]]:
        return {(request.bucket, request.action) for request in world.requested if request.user == user}

    until = time.monotonic() + _PATIENCE
    while used() != given and time.monotonic() < until:
        time.sleep(0.1)
    assert used() == given


@_USERS
def test_a_user_of_mongodb_needs_its_role(world: RestrictedStack, user: str) -> None:
    assert world.roles[user].used == RIGHTS[user].mongo


_OURS = [user for user in RIGHTS if user not in {"keda", "minio", "reader"}]  # what others' programs say is theirs


@pytest.mark.parametrize(
    ("user", "right", "operation"),
    [
        pytest.param(user, right, operation, id=f"{user}-{right.resource}-{right.name}-{operation}")
        for user in _OURS
        for right in RIGHTS[user].kafka
        for operation in right.operations
    ],
)
def test_without_a_right_in_kafka_an_error_names_it(
    world: RestrictedStack, user: str, right: KafkaRight, operation: str
) -> None:
    with (
        world.acting_as(user),
        without(world.stack.kafka, user, right, operation),
        pytest.raises(Fatal, match=re.escape(right.name)) as caught,
    ):
        use_kafka(user, right, operation)
    assert operation in str(caught.value)


@pytest.mark.parametrize(
    ("user", "bucket", "action"),
    [(user, right.bucket, action) for user in _OURS for right in RIGHTS[user].buckets for action in right.actions],
)
def test_without_a_right_in_minio_an_error_names_it(
    world: RestrictedStack, user: str, bucket: str, action: str
) -> None:
    names = BucketSettings(photos="new-photos", faces="new-faces") if action == "s3:CreateBucket" else BucketSettings()
    name = names.photos if bucket == "photos" else names.faces
    if action != "s3:CreateBucket":
        world.stack.minio.client().put_object(name, "there", BytesIO(b"data"), 4)
    with (
        world.acting_as(user),
        world.without(user, bucket, action, names),
        pytest.raises(FacestreamError, match=f"^{name}.*AccessDenied.*{action}"),
    ):
        use_minio(name, action)


@pytest.mark.parametrize("user", [user for user in _OURS if RIGHTS[user].mongo != "none"])
def test_with_a_lesser_role_in_mongodb_an_error_says_so(world: RestrictedStack, user: str) -> None:
    lesser: Literal["none", "read"] = "none" if RIGHTS[user].mongo == "read" else "read"
    with limited(world.stack.mongo.port, lesser) as role, pytest.MonkeyPatch.context() as environment:
        environment.setenv("FACESTREAM_MONGO_URI", role.uri)
        with pytest.raises(Fatal, match=r"MongoDB refuses this user \(code 13.*check the URI"):
            use_mongo(user)
