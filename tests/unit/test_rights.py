"""The table of rights in the forms of the three servers, and beside the table of topics."""

import pytest

from shared.access.rights import READ_BY, RIGHTS, BucketRight, KafkaRight, Rights, acls, mongo_roles, s3_policy
from shared.domain.topics import DEAD_LETTERS, TOPICS, Topic
from shared.settings import BucketSettings


def _writers(topic: Topic) -> set[str]:
    return {
        user
        for user, rights in RIGHTS.items()
        for right in rights.kafka
        if (right.resource, right.name) == ("topic", topic.name) and "Write" in right.operations
    }


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_who_is_said_to_write_a_topic_may_write_it_and_nobody_else_but_a_person(topic: Topic) -> None:
    said = set(READ_BY) if topic is DEAD_LETTERS else {name.strip() for name in topic.producer.split(",")}
    expected = {"minio" if name == "object store" else name for name in said}
    # It writes to idle partitions of these, in transactions that it aborts: it says nothing there.
    unsaid = {"reconciler"} if topic.cleanup == "compact" else set()
    assert _writers(topic) == expected | unsaid | {"cli"}


def test_a_policy_gives_actions_of_the_bucket_on_the_bucket_and_those_of_objects_on_its_objects() -> None:
    rights = Rights("somebody", buckets=(BucketRight("faces", ("s3:ListBucket", "s3:GetObject", "s3:DeleteObject")),))
    assert s3_policy(rights, BucketSettings(faces="crops"))["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::crops"]},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:DeleteObject"], "Resource": ["arn:aws:s3:::crops/*"]},
    ]


def test_a_user_without_a_bucket_has_a_policy_that_allows_nothing() -> None:
    assert s3_policy(RIGHTS["keda"], BucketSettings())["Statement"] == []


def test_an_access_list_names_the_resource_but_for_the_cluster_of_which_there_is_one() -> None:
    given = (
        KafkaRight("group", "downstream.", "prefix", ("Read",)),
        KafkaRight("cluster", "kafka-cluster", "literal", ("Describe",)),
    )
    assert acls(Rights("somebody", given)) == [
        {"resource": {"type": "group", "name": "downstream.", "patternType": "prefix"}, "operations": ["Read"]},
        {"resource": {"type": "cluster"}, "operations": ["Describe"]},
    ]


def test_who_does_not_use_mongodb_has_no_role_there() -> None:
    assert mongo_roles(RIGHTS["detector"], "facestream") == []
    assert mongo_roles(RIGHTS["reconciler"], "facestream") == [{"role": "read", "db": "facestream"}]


@pytest.mark.parametrize("user", RIGHTS)
def test_nobody_may_use_what_is_not_the_products(user: str) -> None:
    topics = {topic.name for topic in TOPICS}
    for right in RIGHTS[user].kafka:
        if right.resource == "topic":
            assert (right.name in topics, right.pattern) == (True, "literal")
        else:
            assert right.name.startswith(("facestream.", "downstream."))
            assert right.resource != "group" or user == "reader" or right.pattern == "literal"


@pytest.mark.parametrize("user", READ_BY)
def test_no_other_user_may_join_the_group_of_a_service(user: str) -> None:
    members = {
        name
        for name, rights in RIGHTS.items()
        for right in rights.kafka
        if right.resource == "group" and right.name == f"facestream.{user}" and "Read" in right.operations
    }
    assert members == {user}
