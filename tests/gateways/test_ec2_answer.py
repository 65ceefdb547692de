import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from spothive.errors import InvalidInput
from spothive.gateways import aws_output
from spothive.gateways.ec2_answer import (
    FleetAnswer,
    ObservedInstance,
    content_hash,
    read_answer,
    read_answers,
)

REAL_ANSWER = Path(__file__).parents[3] / "shared" / "data" / "describe-instances.json"
OWNER = "123456789012"
MODERN: dict[str, Any] = {
    "InstanceId": "i-0aaaaaaaaaaaaaaaa",
    "InstanceType": "m5.xlarge",
    "State": {"Code": 16, "Name": "running"},
    "Placement": {"AvailabilityZone": "eu-west-1b", "Tenancy": "default"},
    "LaunchTime": "2026-03-04T00:49:27+00:00",
    "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 2},
    "InstanceLifecycle": "spot",
    "VpcId": "vpc-0b29f1e7f0ff0c770",
    "SubnetId": "subnet-0ee9d1f854d05f0b4",
    "Tags": [
        {"Key": "Name", "Value": "Knödel \U0001f95f"},
        {"Key": "aws:autoscaling:groupName", "Value": "eks-general"},
        {"Key": "kubernetes.io/cluster/shop", "Value": "owned"},
        {"Key": "eks:cluster-name", "Value": "shop"},
        {"Key": "eks:nodegroup-name", "Value": "general"},
    ],
}
OBSERVED = ObservedInstance(
    instance_id="i-0aaaaaaaaaaaaaaaa",
    instance_type="m5.xlarge",
    region="eu-west-1",
    availability_zone="eu-west-1b",
    state="running",
    lifecycle="spot",
    launched_at=datetime(2026, 3, 4, 0, 49, 27, tzinfo=UTC),
    cluster_name="shop",
    node_group="general",
    in_asg=True,
    tags={tag["Key"]: tag["Value"] for tag in MODERN["Tags"]},
    vpc_id="vpc-0b29f1e7f0ff0c770",
    subnet_id="subnet-0ee9d1f854d05f0b4",
    vcpus=4,
    memory_mib=16384,
)


def page(*instances: Any, owner: Any = OWNER, **extra: Any) -> dict[str, Any]:
    return {"Reservations": [{"OwnerId": owner, "Instances": list(instances)}], **extra}


def read(document: Any) -> FleetAnswer:
    return read_answer("fleet.json", json.dumps(document).encode())


def modern(**changes: Any) -> dict[str, Any]:
    """Return the modern instance with other values; None takes a key away."""
    return {key: value for key, value in (MODERN | changes).items() if value is not None}


def tagged(**tags: str) -> dict[str, Any]:
    return modern(Tags=[{"Key": key, "Value": value} for key, value in tags.items()])


def observed(instance: dict[str, Any]) -> ObservedInstance:
    answer = read(page(instance))
    assert answer.refused == []
    return answer.instances[0]


def refusal(instance: Any, **page_options: Any) -> str:
    """Return why an instance is refused, having checked that its neighbour is taken."""
    neighbour = modern(InstanceId="i-bbbbbbbb")
    answer = read({"Reservations": page(instance, **page_options)["Reservations"] + page(neighbour)["Reservations"]})
    assert [taken.instance_id for taken in answer.instances] == ["i-bbbbbbbb"]
    (refused,) = answer.refused
    assert refused.source == "fleet.json"
    assert refused.reason.isprintable()
    assert len(refused.reason) < 300
    name = instance["InstanceId"]
    assert refused.instance_id == (name if name == MODERN["InstanceId"] else None)
    return refused.reason


# --- what AWS prints -------------------------------------------------------------------------------


def test_a_modern_instance_is_read_in_full() -> None:
    answer = read(page(MODERN))
    assert answer == FleetAnswer({OWNER}, [OBSERVED], [], complete=True)


def test_an_answer_from_2013_is_read() -> None:
    old = {
        "InstanceId": "i-1a2b3c4d",
        "InstanceType": "m1.small",
        "State": {"Code": 80, "Name": "stopped"},
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "LaunchTime": "2013-05-01T10:00:00.000Z",
        "VpcId": "",
    }
    assert observed(old) == ObservedInstance(
        instance_id="i-1a2b3c4d",
        instance_type="m1.small",
        region="us-east-1",
        availability_zone="us-east-1a",
        state="stopped",
        lifecycle="on-demand",
        launched_at=datetime(2013, 5, 1, 10, tzinfo=UTC),
        cluster_name=None,
        node_group=None,
        in_asg=False,
        tags={},
        vpc_id=None,
        subnet_id=None,
        vcpus=None,
        memory_mib=None,
    )


def test_the_recorded_answer_of_aws_is_read() -> None:
    if not REAL_ANSWER.exists():
        pytest.skip("describe-instances.json is not beside this checkout")
    answer = read_answer("real", REAL_ANSWER.read_bytes())
    assert answer.owner_ids == {"644160558196"}
    assert answer.refused == []
    states = [taken.state for taken in answer.instances]
    assert (len(states), states.count("running"), states.count("terminated")) == (13, 3, 10)
    assert {(taken.vcpus, taken.memory_mib) for taken in answer.instances} == {(1, 1024)}


def test_an_empty_answer_is_an_answer() -> None:
    assert read({"Reservations": []}) == FleetAnswer()


@pytest.mark.parametrize("state", ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"])
def test_every_state_of_ec2_is_taken(state: str) -> None:
    assert observed(modern(State={"Name": state})).state == state


@pytest.mark.parametrize(
    ("word", "lifecycle"),
    [("spot", "spot"), (None, "on-demand"), ("scheduled", "on-demand"), ("capacity-block", "on-demand")],
)
def test_only_spot_is_spot(word: str | None, lifecycle: str) -> None:
    assert observed(modern(InstanceLifecycle=word)).lifecycle == lifecycle


@pytest.mark.parametrize(
    ("zone", "region"),
    [
        ("us-west-2-lax-1a", "us-west-2"),
        ("us-east-1-wl1-bos-wlz-1", "us-east-1"),
        ("cn-north-1a", "cn-north-1"),
    ],
)
def test_the_region_follows_from_any_kind_of_zone(zone: str, region: str) -> None:
    taken = observed(modern(Placement={"AvailabilityZone": zone}))
    assert (taken.availability_zone, taken.region) == (zone, region)


def test_times_of_other_zones_become_utc() -> None:
    assert observed(modern(LaunchTime="2026-03-04T02:49:27+02:00")) == OBSERVED


def test_configured_vcpus_win_over_the_default_of_the_type() -> None:
    assert observed(modern(CpuOptions={"CoreCount": 1, "ThreadsPerCore": 1})).vcpus == 1
    assert observed(modern(CpuOptions=None)).vcpus == 4
    assert observed(modern(CpuOptions={"CoreCount": 2})).vcpus == 4


def test_an_unknown_type_is_taken_without_its_facts() -> None:
    taken = observed(modern(InstanceType="m99xyz.2xlarge", CpuOptions=None))
    assert (taken.instance_type, taken.vcpus, taken.memory_mib) == ("m99xyz.2xlarge", None, None)


@pytest.mark.parametrize(
    ("tags", "cluster"),
    [
        ({"eks:cluster-name": "a", "kubernetes.io/cluster/b": "owned"}, "a"),
        ({"kubernetes.io/cluster/b": "owned"}, "b"),
        ({"kubernetes.io/cluster/a": "shared", "kubernetes.io/cluster/b": "owned"}, "b"),
        ({"kubernetes.io/cluster/b": "shared", "kubernetes.io/cluster/a": "shared"}, "a"),
        ({"kubernetes.io/cluster/": "owned", "eks:cluster-name": ""}, None),
        ({"eks:nodegroup-name": "general"}, None),
    ],
)
def test_tags_name_the_cluster(tags: dict[str, str], cluster: str | None) -> None:
    assert observed(tagged(**tags)).cluster_name == cluster


def test_tags_of_aws_itself_do_not_count_against_the_limit() -> None:
    tags = {f"own-{number}": "x" for number in range(50)} | {f"aws:{number}": "x" for number in range(30)}
    assert len(observed(tagged(**tags)).tags) == 80


# --- pages, regions, files -------------------------------------------------------------------------

FIRST, SECOND = (
    page(modern(InstanceId="i-00000001")),
    page(modern(InstanceId="i-00000002"), owner="210987654321"),
)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(FIRST) + json.dumps(SECOND),
        json.dumps(FIRST, indent=4) + "\r\n\ufeff" + json.dumps(SECOND, indent=4) + "\n\n",
        json.dumps([FIRST, SECOND]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_several_answers_in_one_source_are_one_fleet(text: str, encoding: str) -> None:
    answer = read_answer("fleet.json", text.encode(encoding))
    assert [taken.instance_id for taken in answer.instances] == ["i-00000001", "i-00000002"]
    assert answer.owner_ids == {OWNER, "210987654321"}


def test_several_sources_are_one_fleet_and_refusals_name_their_source() -> None:
    broken = page(modern(InstanceId="i-00000002", State=None))
    answer = read_answers((name, json.dumps(each).encode()) for name, each in [("a", FIRST), ("b", broken)])
    assert [taken.instance_id for taken in answer.instances] == ["i-00000001"]
    assert [(refused.instance_id, refused.source) for refused in answer.refused] == [("i-00000002", "b")]


@pytest.mark.parametrize(
    ("pages", "complete"),
    [
        ([page(MODERN)], True),
        ([page(MODERN, NextToken="eyJ")], False),
        ([page(MODERN, NextToken="eyJ"), page(MODERN)], True),
        ([page(MODERN), page(MODERN, NextToken="eyJ")], False),
        ([page(MODERN, NextToken=None)], True),
    ],
)
def test_a_last_page_that_promises_more_makes_the_answer_incomplete(pages: list[Any], *, complete: bool) -> None:
    assert read(pages).complete is complete


def test_an_instance_seen_twice_is_there_once() -> None:
    assert read([page(MODERN, MODERN), page(MODERN)]) == FleetAnswer({OWNER}, [OBSERVED])


def test_the_later_sight_of_a_living_instance_counts() -> None:
    dead = modern(State={"Name": "terminated"}, VpcId=None, SubnetId=None)
    answer = read([page(MODERN), page(dead)])
    assert [taken.state for taken in answer.instances] == ["terminated"]
    assert answer.refused == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"InstanceType": "m5.large"}, "instance_type m5.xlarge and then m5.large"),
        (
            {"Placement": {"AvailabilityZone": "eu-west-1c"}},
            "availability_zone eu-west-1b and then eu-west-1c",
        ),
        ({"InstanceLifecycle": None}, "lifecycle spot and then on-demand"),
    ],
)
def test_a_second_sight_that_contradicts_the_first_is_refused(change: dict[str, Any], reason: str) -> None:
    answer = read(page(MODERN, modern(**change)))
    assert answer.instances == [OBSERVED]
    (refused,) = answer.refused
    assert refused.instance_id == OBSERVED.instance_id
    assert reason in refused.reason


# --- instances that are refused by name ------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"State": None}, "has no State"),
        ({"State": {"Code": 16}}, "has no State"),
        ({"State": "running"}, "has no State"),
        ({"State": {"Name": "flying"}}, "State 'flying' is not one"),
        ({"State": {"Name": ["running"]}}, "State a list is not one"),
        ({"Placement": None}, "has no Placement"),
        ({"Placement": {"Tenancy": "default"}}, "has no Placement"),
        ({"Placement": {"AvailabilityZone": "mars-1a"}}, "AvailabilityZone 'mars-1a' lies in no region"),
        ({"Placement": {"AvailabilityZone": 7}}, "AvailabilityZone a number lies in no region"),
        ({"InstanceType": None}, "has no InstanceType"),
        ({"InstanceType": "m5"}, "InstanceType 'm5' is not"),
        ({"InstanceType": "m5.large\n"}, r"InstanceType 'm5.large\n' is not"),
        ({"InstanceType": f"m{'5' * 40}.large"}, "is not the name of a type"),
        ({"InstanceLifecycle": 1}, "InstanceLifecycle is a number"),
        ({"LaunchTime": "2026-03-04T00:49:27"}, "LaunchTime '2026-03-04T00:49:27' has no time zone"),
        ({"LaunchTime": "yesterday"}, "LaunchTime 'yesterday' is not a time"),
        ({"LaunchTime": "0001-01-01T00:00:00+14:00"}, "is not a time"),
        ({"LaunchTime": 1772585367}, "LaunchTime is a number"),
        (
            {"CpuOptions": {"CoreCount": -1, "ThreadsPerCore": 2}},
            "CpuOptions.CoreCount is not a number from 1",
        ),
        (
            {"CpuOptions": {"CoreCount": True, "ThreadsPerCore": 2}},
            "CpuOptions.CoreCount is not a number from 1",
        ),
        ({"CpuOptions": {"CoreCount": 10**30, "ThreadsPerCore": 2}}, "CpuOptions.CoreCount is not a number"),
        ({"CpuOptions": {"CoreCount": 9000, "ThreadsPerCore": 2}}, "more than 10000 vCPUs"),
        ({"CpuOptions": [1, 2]}, "CpuOptions is a list"),
        ({"VpcId": "vpc-\u0000"}, r"VpcId 'vpc-\x00' is not an id"),
        ({"SubnetId": {"a": 1}}, "SubnetId an object is not an id"),
        ({"Tags": {"Name": "x"}}, "Tags is an object"),
        ({"Tags": ["Name=x"]}, "Tags holds a text"),
        ({"Tags": [{"Key": "Name", "Value": 7}]}, "Tags holds a text = a number"),
        ({"Tags": [{"Value": "x"}]}, "Tags holds nothing = a text"),
        ({"Tags": [{"Key": "", "Value": "x"}]}, "a key of 0 characters"),
        ({"Tags": [{"Key": "k" * 129, "Value": "x"}]}, "a key of 129 characters"),
        ({"Tags": [{"Key": "k", "Value": "v" * 257}]}, "tag 'k' has a value of 257 characters"),
        ({"Tags": [{"Key": "k", "Value": "a\u0000b"}]}, r"tag 'k' = 'a\x00b' holds NUL"),
        ({"Tags": [{"Key": "\ud800", "Value": "x"}]}, r"tag '\ud800' = 'x' holds NUL or half a character"),
        ({"Tags": [{"Key": f"k{n}", "Value": "x"} for n in range(51)]}, "has 51 tags"),
        (
            {"Tags": [{"Key": f"aws:{n:060}", "Value": "v" * 256} for n in range(70)]},
            "longer than 20000 characters",
        ),
        ({"Tags": [{"Key": "eks:cluster-name", "Value": "c" * 256}]}, "a cluster of 256 characters"),
    ],
)
def test_an_instance_that_cannot_be_used_is_refused_and_the_rest_is_taken(change: dict[str, Any], reason: str) -> None:
    assert reason in refusal(modern(**change))


@pytest.mark.parametrize(
    ("instance_id", "found"),
    [
        ("", "''"),
        ("i-123", "'i-123'"),
        ("i-0AAAAAAAAAAAAAAAA", "'i-0AAAAAAAAAAAAAAAA'"),
        ("i-0aaaaaaaaaaaaaaaa\n", r"'i-0aaaaaaaaaaaaaaaa\n'"),
        ("i-\x1b[2J", r"'i-\x1b[2J'"),
        ("x" * 5000, "xxx..."),
        (12345678, "a number"),
        ({"deep": ["structure"]}, "an object"),
        (None, "nothing"),
    ],
)
def test_an_instance_without_a_valid_id_is_refused_by_its_place(instance_id: Any, found: str) -> None:
    reason = refusal(MODERN | {"InstanceId": instance_id})
    assert reason.startswith("instance 1 of reservation 1 has no valid InstanceId (found ")
    assert found in reason


@pytest.mark.parametrize("owner", [None, "12345678901", 123456789012, "12345678901\u0662", "\ud800" * 12])
def test_an_instance_of_nobody_is_refused(owner: Any) -> None:
    assert "has no OwnerId of 12 digits" in refusal(MODERN, owner=owner)


# --- sources that are refused ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \r\n", "is empty"),
        (b"<!DOCTYPE html><html>", "is HTML or XML"),
        (b"<?xml version='1.0'?><DescribeInstancesResponse/>", "is HTML or XML"),
        (b"InstanceId,State\ni-1,running\n", "is not JSON"),
        (b"12,13\n", "is not JSON"),
        (b"-----\n|DescribeInstances|\n", "is not JSON"),
        (b"Reservations:\n- Groups: []\n", "is not JSON"),
        (b"RESERVATIONS\t123456789012\tr-1\n", "is not JSON"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is neither UTF-8 nor UTF-16"),
        (b"\xff\xfe{", "is neither UTF-8 nor UTF-16"),
        (
            b"\nAn error occurred (AuthFailure) when calling the DescribeInstances operation: no",
            "error AuthFailure",
        ),
        (
            b'{"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}',
            "AWS error 'UnauthorizedOperation'",
        ),
        (b'{"Code": "Throttling", "Message": "slow down"}', "AWS error 'Throttling'"),
        (b'{"__type": "AccessDenied", "message": "no"}', "AWS error 'AccessDenied'"),
        (b"{}", "an object without 'Reservations'"),
        (b'{"InstanceTypes": []}', "an object without 'Reservations'"),
        (b"[]", "an empty list"),
        (b"[[]]", "a list where an answer should be"),
        (b'["Reservations"]', "a text where an answer should be"),
        (b'{"Reservations": {}}', "an object as 'Reservations' where a list"),
        (b'{"Reservations": null}', "nothing as 'Reservations' where a list"),
        (b'{"Reservations": [7]}', "a number in 'Reservations' where an object"),
        (b'{"Reservations": [{}]}', "nothing as 'Instances' where a list"),
        (b'{"Reservations": [{"Instances": [null]}]}', "nothing in 'Instances' where an object"),
        (b'{"Reservations": []} trailing', "is not valid JSON at line 1, column 22"),
        (b'{"Reservations": [],}', "is not valid JSON at line 1"),
        (b'{"Reservations": ["a\x00b"]}', "is not valid JSON at line 1"),
        (b'{"Reservations": [NaN]}', "a number that JSON does not know"),
        (b'{"Reservations": [-Infinity]}', "a number that JSON does not know"),
        (b'{"Reservations": [1e400]}', "out of range"),
        (b'{"Reservations": [' + b"9" * 5000 + b"]}", "out of range"),
    ],
)
def test_what_is_no_answer_is_refused_in_one_line(data: bytes, what: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_answer("fleet.json", data)
    message = str(refused.value)
    assert message.startswith("fleet.json ")
    assert what in message
    assert message.endswith("; save what 'aws ec2 describe-instances --output json' prints and try again")


DEPTH = 10_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEPTH + "]" * DEPTH,
        "[" * DEPTH,
        '{"Reservations":' * DEPTH + "1" + "}" * DEPTH,
        '{"Reservations": ' + "[" * DEPTH + "]" * DEPTH + "}",
        '{"Reservations": [{"Instances": ' + "[" * DEPTH + "]" * DEPTH + "}]}",
    ],
)
def test_nesting_without_end_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^fleet.json "):
        read_answer("fleet.json", text.encode())


def test_an_answer_cut_off_anywhere_is_refused_as_such() -> None:
    text = json.dumps(page(modern(Tags=None)), indent=1)
    for length in range(1, len(text)):
        with pytest.raises(InvalidInput, match=r"ends in the middle|is not valid JSON"):
            read_answer("fleet.json", text[:length].encode())
    with pytest.raises(InvalidInput, match="ends in the middle"):
        read_answer("fleet.json", text[: len(text) // 2].encode())


def test_a_source_that_is_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.dumps(page(MODERN)).encode()
    monkeypatch.setattr(aws_output, "MAX_BYTES", len(data))
    assert read_answer("fleet.json", data).instances
    with pytest.raises(InvalidInput, match=r"^fleet.json is larger than \d+ MB; split it"):
        read_answer("fleet.json", data + b" ")


def test_a_wrong_file_is_never_quoted() -> None:
    secret = "aws_secret_access_key"
    for text in (f"[default]\n{secret} = x", f'{{"{secret}": x', f'{{"{secret}": "x"}}', f"{secret}=x"):
        with pytest.raises(InvalidInput) as refused:
            read_answer("credentials", text.encode())
        assert secret not in str(refused.value)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "a\udcffb", "d/" * 4000 + "fleet.json"])
def test_a_strange_source_name_is_shown_safely(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_answer(name, b"")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


# --- anything at all -------------------------------------------------------------------------------

TEXT = st.text(alphabet=st.characters(), max_size=40)  # with NUL and lone surrogates
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
deterministic = settings(derandomize=True, deadline=None, max_examples=300)


def assert_storable(answer: FleetAnswer) -> None:
    for taken in answer.instances:
        assert -(2**63) <= content_hash(taken) < 2**63
        for text in (
            taken.instance_id,
            taken.instance_type,
            taken.availability_zone,
            *taken.tags,
            *taken.tags.values(),
        ):
            assert "\x00" not in text
            text.encode()
    for refused in answer.refused:
        assert refused.reason.isprintable()
        assert len(refused.reason) < 300


def read_or_message(document: Any) -> FleetAnswer | str:
    try:
        return read(document)
    except InvalidInput as refused:
        return str(refused)


@deterministic
@given(data=st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_answer("noise", data)
    assert str(refused.value).isprintable()


@deterministic
@given(document=JSON, wrap=st.sampled_from(["nothing", "page", "reservations", "instances"]))
def test_no_json_crashes_the_reader(document: Any, wrap: str) -> None:
    wrapped = {
        "nothing": document,
        "page": [document],
        "reservations": {"Reservations": document},
        "instances": page() | {"Reservations": [{"OwnerId": OWNER, "Instances": document}]},
    }[wrap]
    outcome = read_or_message(wrapped)
    if isinstance(outcome, FleetAnswer):
        assert_storable(outcome)
    else:
        assert outcome.isprintable()


@deterministic
@given(key=st.sampled_from(sorted(MODERN)), value=JSON)
def test_an_instance_with_any_value_anywhere_is_either_taken_or_refused(key: str, value: Any) -> None:
    answer = read(page(MODERN | {key: value}))
    assert len(answer.instances) + len(answer.refused) == 1
    assert_storable(answer)


@deterministic
@given(key=st.sampled_from(["Key", "Value"]), value=TEXT)
def test_a_tag_with_any_text_is_either_kept_as_it_is_or_refused(key: str, value: str) -> None:
    answer = read(page(modern(Tags=[{"Key": "k", "Value": "v"} | {key: value}])))
    assert_storable(answer)
    if answer.instances:
        assert value in {*answer.instances[0].tags, *answer.instances[0].tags.values()}


# --- the fingerprint -------------------------------------------------------------------------------


def test_the_hash_is_the_same_in_every_version() -> None:
    assert content_hash(OBSERVED) == 4303162666653171994


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), st.text(st.characters(codec="utf-8"))))
def test_the_hash_is_that_of_plain_json_whatever_the_tags(tags: dict[str, str]) -> None:
    observed = replace(OBSERVED, tags=tags, launched_at=datetime(2026, 3, 4, 0, 49, 27, 5, tzinfo=UTC))
    facts = [getattr(observed, each.name) for each in fields(ObservedInstance)]
    written = json.dumps(facts, sort_keys=True, separators=(",", ":"), default=datetime.isoformat)
    first = sha256(written.encode()).digest()[:8]
    assert content_hash(observed) == int.from_bytes(first, "big", signed=True)


@pytest.mark.parametrize(("vcpus", "name"), [(2**70, "a"), (4, "\ud800"), (4, "\x7f"), (4, "é")])
def test_the_hash_is_that_of_plain_json_whatever_else_is_odd(vcpus: int, name: str) -> None:
    observed = replace(OBSERVED, tags={"Name": name}, vcpus=vcpus)
    facts = [getattr(observed, each.name) for each in fields(ObservedInstance)]
    written = json.dumps(facts, sort_keys=True, separators=(",", ":"), default=datetime.isoformat)
    first = sha256(written.encode()).digest()[:8]
    assert content_hash(observed) == int.from_bytes(first, "big", signed=True)


def test_the_hash_ignores_the_order_of_tags_and_the_spelling_of_the_time() -> None:
    reordered = dict(reversed(OBSERVED.tags.items()))
    two_hours_east = datetime(2026, 3, 4, 2, 49, 27, tzinfo=timezone(timedelta(hours=2)))
    same = replace(OBSERVED, tags=reordered, launched_at=two_hours_east)
    assert content_hash(same) == content_hash(OBSERVED)


@pytest.mark.parametrize(
    "change",
    [
        {"instance_id": "i-bbbbbbbb"},
        {"instance_type": "m5.large"},
        {"region": "eu-west-2"},
        {"availability_zone": "eu-west-1c"},
        {"state": "stopped"},
        {"lifecycle": "on-demand"},
        {"launched_at": None},
        {"launched_at": datetime(2026, 3, 4, 0, 49, 27, 1, tzinfo=UTC)},
        {"cluster_name": None},
        {"node_group": "other"},
        {"in_asg": False},
        {"tags": {}},
        {"tags": OBSERVED.tags | {"Name": "knödel"}},
        {"vpc_id": None},
        {"subnet_id": None},
        {"vcpus": None},
        {"memory_mib": 1},
    ],
)
def test_the_hash_notices_every_change(change: dict[str, Any]) -> None:
    assert content_hash(replace(OBSERVED, **change)) != content_hash(OBSERVED)
