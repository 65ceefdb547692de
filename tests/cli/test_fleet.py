"""``spothive account`` and ``spothive instance`` on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from spothive.cli.fleet import results as commands
from spothive.database import Account, EnvironmentType, Instance, get_db_session
from spothive.operations.identity import find_actor
from tests.cli.conftest import Ran, Spothive, answer, audited, instance
from tests.conftest import Database
from tests.factories import make_price
from tests.factories.fleets import connected_account
from tests.watching import everything

REAL = Path(__file__).parents[3] / "shared" / "data" / "describe-instances.json"
CLUSTER = [{"Key": "eks:cluster-name", "Value": "shop"}]


@pytest.fixture
def filled(people: Database, done: Spothive) -> Database:
    """Import three instances, two of them in Europe, as account ``main`` of acme."""
    fleet = answer(
        instance(1, Tags=[*CLUSTER, {"Key": "Name", "Value": "web 1"}]),
        instance(2, Placement={"AvailabilityZone": "eu-west-1b"}, InstanceLifecycle="spot", InstanceType="c5.xlarge"),
        instance(3, Placement={"AvailabilityZone": "eu-west-1b"}, State={"Name": "stopped"}),
    )
    done("account", "import", "--name", "main", "--file", "-", "--tenant", "acme", given=fleet)
    return people


def test_an_import_says_what_it_did_and_repeating_it_changes_nothing(people: Database, done: Spothive) -> None:
    fleet = answer(instance(1, Tags=CLUSTER), instance(2))
    first = done("account", "import", "--name", "main", "--file", "-", given=fleet)
    assert first.out.splitlines() == [
        "main: 2 instances seen in us-east-1; 2 added, 0 changed, 0 gone, 0 refused",
        "new clusters: us-east-1/shop",
    ]
    rows = everything()[Instance.__tablename__]
    again = done("account", "import", "--name", "main", "--file", "-", "--json", given=fleet).json
    assert (again["added"], again["changed"], again["vanished"], again["status"]) == ([], [], [], "COMPLETE")
    assert everything()[Instance.__tablename__] == rows
    assert len(audited("account.imported")) == 2


def test_an_import_reports_each_change(people: Database, done: Spothive) -> None:
    done("account", "import", "--name", "main", "--file", "-", given=answer(instance(1), instance(2)))
    later = answer(instance(1, State={"Name": "stopped"}), instance(3))
    report = done("account", "import", "--name", "main", "--file", "-", "--json", given=later).json
    one, two, three = (instance(n)["InstanceId"] for n in (1, 2, 3))
    assert (report["added"], report["changed"], report["vanished"]) == ([three], [one], [two])
    assert report["changes"] == [{"instance_id": one, "field": "state", "before": "running", "after": "stopped"}]


@pytest.mark.skipif(not REAL.is_file(), reason="the real AWS files are not part of the project")
def test_the_real_answer_of_aws(people: Database, done: Spothive) -> None:
    words = ["account", "import", "--name", "real", "--file", str(REAL), "--json"]
    assert len(done(*words).json["added"]) == 13
    listed = done("instance", "list", "--json").json
    assert len(listed) == 13
    assert Counter(i["state"] for i in listed) == {"running": 3, "terminated": 10}
    before = everything()
    again = done(*words).json
    assert (again["added"], again["changed"], again["vanished"]) == ([], [], [])
    after = everything()
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"audit_logs", "account_logs", "scan_runs", "scan_units", "accounts"}
    assert done("instance", "list", "--json").json == listed


def test_several_files_and_standard_input_are_one_answer(people: Database, done: Spothive, tmp_path: Path) -> None:
    files = []
    for number in (1, 2):
        file = tmp_path / f"page {number}.json"
        file.write_text(answer(instance(number)))
        files += ["--file", str(file)]
    report = done(
        "account", "import", "--name", "main", *files, "--file", "-", "--json", given=answer(instance(3))
    ).json
    assert len(report["added"]) == 3
    fewer = done("account", "import", "--name", "main", *files, "--json").json
    assert fewer["vanished"] == [instance(3)["InstanceId"]]


def test_a_region_without_instances_is_named_to_be_believed(
    filled: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    words = ["account", "import", "--name", "main", "--file", "-", "--tenant", "acme", "--json"]
    assert "lists no instance: say with --region" in refused(*words[:-1], given=answer())
    asked = done(*words, "--region", "eu-west-1", given=answer()).json
    assert asked["vanished"] == [instance(2)["InstanceId"], instance(3)["InstanceId"]]


def test_all_that_was_refused_is_named_though_nothing_was_imported(people: Database, spothive: Spothive) -> None:
    before = everything()
    unusable = answer(instance(1, State=None), instance(2, Placement={}))
    words = ["account", "import", "--name", "main", "--file", "-", "--tenant", "acme"]
    ran = spothive(*words, given=unusable)
    assert (ran.code, ran.out.count("refused i-")) == (1, 2)
    assert ran.err.startswith("error: nothing was imported: every instance is refused (2)")
    listed = spothive(*words, "--json", given=unusable).json["refused"]
    assert [entry["instance_id"] for entry in listed] == [instance(1)["InstanceId"], instance(2)["InstanceId"]]
    assert everything() == before


def test_an_incomplete_answer_ends_nothing(filled: Database, done: Spothive) -> None:
    page = answer(instance(1), NextToken="more")
    ran = done("account", "import", "--name", "main", "--file", "-", "--tenant", "acme", given=page)
    assert "0 gone" in ran.out
    assert ran.out.endswith("the answer was incomplete: what it does not list was left as it is\n")


def test_what_cannot_be_used_is_refused_by_name_and_the_rest_is_taken(people: Database, done: Spothive) -> None:
    unusable = [
        instance(1, State=None),
        instance(2, Placement={}),
        instance(3, InstanceType=None),
        instance(4, LaunchTime="2026-03-04T00:27:28"),
        instance(5, Tags=[{"Key": "a", "Value": "nul\0"}]),
        instance(6, Tags=[{"Key": "a", "Value": "half \ud83d"}]),
        instance(7, Placement={"AvailabilityZone": "mars-north-1a"}),
        instance(8, InstanceId="i-12"),
    ]
    fleet = answer(*unusable, instance(9))
    ran = done("account", "import", "--name", "main", "--file", "-", given=fleet)
    assert "1 instances seen in us-east-1; 1 added, 0 changed, 0 gone, 8 refused" in ran.out
    for number, reason in (
        (1, "State"),
        (2, "Placement"),
        (3, "InstanceType"),
        (4, "no time zone"),
        (5, "NUL"),
        (6, "half a character"),
        (7, "no region of AWS"),
    ):
        [line] = [line for line in ran.out.splitlines() if instance(number)["InstanceId"] in line]
        assert reason in line
    assert "refused one in standard input: instance 8 of reservation 1 has no valid InstanceId" in ran.out
    report = done("account", "import", "--name", "main", "--file", "-", "--json", given=fleet).json
    assert len(report["refused"]) == 8
    assert [i["instance_id"] for i in done("instance", "list", "--json").json] == [instance(9)["InstanceId"]]


def test_many_refusals_are_counted(people: Database, done: Spothive) -> None:
    fleet = answer(*(instance(n, State=None) for n in range(30)), instance(99))
    lines = done("account", "import", "--name", "main", "--file", "-", given=fleet).out.splitlines()
    assert lines[-1] == f"and {30 - commands.REFUSED_SHOWN} more refused, all of them with --json"
    assert len(lines) == 1 + commands.REFUSED_SHOWN + 1


def test_whoever_answers_for_the_account_can_be_named(
    people: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    words = ["account", "import", "--file", "-", "--tenant", "acme", "--owner"]
    done(*words, "acme-lab", "--name", "main", given=answer(instance(1)))
    [account] = everything()[Account.__tablename__]
    assert account["user_id"] == find_actor("acme-lab", "acme")[0].user_id
    assert "no active user of this tenant is called 'gina'" in refused(*words, "gina", "--name", "x", given=answer())


def test_accounts_are_listed_and_shown(filled: Database, done: Spothive) -> None:
    make_price("m5.large", "0.107", region="us-east-1")
    make_price("c5.xlarge", "1234.56")
    assert done("account", "list").out == "no accounts yet: spothive account import --help\n"
    listed = done("account", "list", "--tenant", "acme").out.splitlines()
    headings = ["account", "AWS account", "proven", "mark", "status", "live instances", "clusters", "since"]
    assert [heading.strip() for heading in listed[0].split("|")] == headings
    assert listed[2].split("|")[5].strip() == "3"
    [facts] = done("account", "list", "--tenant", "acme", "--json").json
    assert (facts["name"], facts["aws_account_id"], facts["proven"]) == ("main", "111122223333", False)
    assert (facts["live_instances"], facts["clusters"], facts["status"]) == (3, 1, "pending")
    shown = done("account", "show", "main", "--tenant", "acme").out
    assert "eu-west-1 |              2 |       1 | 901,228.80 USD/month |        0" in shown
    assert "us-east-1 |              1 |       1 |      78.11 USD/month |        0" in shown
    fleet = done("account", "show", "main", "--tenant", "acme", "--json").json["fleet"]
    assert set(fleet) == {"region", "family", "lifecycle", "cluster"}
    assert fleet["lifecycle"][1] == {
        "key": "spot",
        "live_instances": 1,
        "running": 1,
        "monthly_cost": "901228.800000",
        "unpriced": 0,
    }
    assert {group["key"] for group in fleet["cluster"]} == {"shop", "(none)"}


def test_a_cost_that_is_not_known_is_not_shown_as_nothing(filled: Database, done: Spothive) -> None:
    shown = done("account", "show", "main", "--tenant", "acme").out
    assert "eu-west-1 |              2 |       1 |         - |        1" in shown
    groups = done("account", "show", "main", "--tenant", "acme", "--json").json["fleet"]["region"]
    assert {group["monthly_cost"] for group in groups} == {None}


def test_only_a_proven_account_is_marked_prod(filled: Database, done: Spothive, refused: Callable[..., str]) -> None:
    refusal = refused("account", "mark", "main", "PROD", "--tenant", "acme")
    assert "pending and LAB until it is connected" in refusal or "only a connected account can be PROD" in refusal
    actor, tenant_id = find_actor("acme-client", "acme")
    with get_db_session(tenant=tenant_id) as session:
        connected_account(session, actor.user_id, name="proven", account_id="999988887777")
    marked = done("account", "mark", "999988887777", "PROD", "--tenant", "acme", "--json").json
    assert (marked["name"], marked["environment"]) == ("proven", EnvironmentType.PROD)
    assert done("account", "mark", "proven", "LAB", "--tenant", "acme").out == "account proven is LAB\n"
    assert len(audited("account.marked")) == 2
    assert "connected to AWS: discover it" in refused(
        "account", "import", "--name", "proven", "--file", "-", "--tenant", "acme", given=answer(instance(5))
    )


@pytest.mark.engines("sqlite")
def test_disconnecting_asks_at_a_terminal_and_tells_what_went(
    filled: Database, on_terminal: Callable[..., Ran]
) -> None:
    words = ["account", "disconnect", "main", "--tenant", "acme"]
    before = everything()
    ran = on_terminal(*words, answers=[("[y/N]: ", "n")])
    assert (ran.code, ran.out.splitlines()[-1]) == (1, "error: not confirmed, nothing was changed")
    assert everything() == before
    ran = on_terminal(*words, answers=[("[y/N]: ", "y")])
    assert ran.code == 0
    assert "account main is gone: 3 instances, 1 clusters, 1 scan runs" in ran.out
    assert not everything()[Account.__tablename__]


def test_disconnecting_without_a_terminal_needs_a_yes(
    filled: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    words = ["account", "disconnect", "main", "--tenant", "acme"]
    before = everything()
    assert "say --yes" in refused(*words)
    assert everything() == before
    gone = done(*words, "--yes", "--json").json
    assert gone == {"name": "main", "deleted": {"instances": 3, "clusters": 1, "scan_runs": 1}}
    assert not everything()[Instance.__tablename__]
    assert "no account is called 'main'" in refused(*words, "--yes")


NARROWED = [
    ([], [1, 2, 3]),
    (["--region", "eu-west-1"], [2, 3]),
    (["--state", "stopped"], [3]),
    (["--lifecycle", "spot"], [2]),
    (["--family", "m5"], [1, 3]),
    (["--cluster", "shop"], [1]),
    (["--account", "main"], [1, 2, 3]),
    (["--limit", "2"], [1, 2]),
    (["--limit", "2", "--after", "i-00000000000000002"], [3]),
    (["--limit", "1", "--all"], [1, 2, 3]),
    (["--cluster", "other"], []),
]


def test_instances_are_listed_narrowed_and_paged(filled: Database, done: Spothive) -> None:
    for words, numbers in NARROWED:
        listed = done("instance", "list", "--tenant", "acme", "--json", *words).json
        assert [i["instance_id"] for i in listed] == [instance(n)["InstanceId"] for n in numbers], words


def test_all_pages_are_read(filled: Database, done: Spothive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spothive.operations.fleet.listing.MAX_PAGE", 2)
    listed = done("instance", "list", "--tenant", "acme", "--json", "--all").json
    assert [i["instance_id"] for i in listed] == [instance(n)["InstanceId"] for n in (1, 2, 3)]


def test_a_full_page_says_how_to_go_on(filled: Database, done: Spothive) -> None:
    page = done("instance", "list", "--tenant", "acme", "--limit", "2").out.splitlines()
    assert page[-1] == "perhaps more: --after i-00000000000000002, or --all"
    assert "perhaps more" not in done("instance", "list", "--tenant", "acme").out
    assert done("instance", "list").out == "no such instances; accounts are filled by spothive account import\n"


def test_terminated_instances_are_told_from_live_ones(filled: Database, done: Spothive) -> None:
    later = answer(instance(1), instance(2, Placement={"AvailabilityZone": "eu-west-1b"}))
    done("account", "import", "--name", "main", "--file", "-", "--tenant", "acme", given=later)
    listed = done("instance", "list", "--tenant", "acme").out.splitlines()
    assert listed[-1] == "3 listed, 1 of them terminated; --state running lists running ones only"
    for state in ("running", "terminated"):
        assert "of them" not in done("instance", "list", "--tenant", "acme", "--state", state).out
    [account] = done("account", "list", "--tenant", "acme", "--json").json
    assert account["live_instances"] == 2
    regions = done("account", "show", "main", "--tenant", "acme", "--json").json["fleet"]["region"]
    assert sum(group["live_instances"] for group in regions) == 2


def test_an_instance_is_shown_with_its_tags_and_price(filled: Database, done: Spothive) -> None:
    make_price("m5.large", "0.107", region="us-east-1")
    words = ["instance", "show", "i-00000000000000001", "--tenant", "acme"]
    shown = done(*words).out
    assert "on demand price    0.107 USD/hour" in shown
    assert shown.endswith("tag Name = web 1\ntag eks:cluster-name = shop\n")
    facts = done(*words, "--json").json
    assert facts["tags"] == {"eks:cluster-name": "shop", "Name": "web 1"}
    assert facts["on_demand_price"] == "0.107000"
    assert facts["launched_at"] == "2026-03-04T00:27:28Z"
    assert (facts["cluster"], facts["state"], facts["price"]) == ("shop", "running", None)
    other = done("instance", "show", "i-00000000000000002", "--tenant", "acme").out
    assert "on demand price    -" in other


def test_json_is_the_same_on_both_databases(filled: Database, done: Spothive) -> None:
    [found] = done("instance", "list", "--tenant", "acme", "--limit", "1", "--json").json
    for name in ("id", "created_at", "updated_at"):
        assert found.pop(name)
    assert found == {
        "instance_id": "i-00000000000000001",
        "account": "main",
        "instance_type": "m5.large",
        "region": "us-east-1",
        "availability_zone": "us-east-1a",
        "state": "running",
        "lifecycle": "on-demand",
        "cluster": "shop",
        "vcpus": 2,
        "memory_mib": 8192,
        "price": None,
        "auth_status": "authorized",
        "flagged_at": None,
        "orchestrator": "KUBERNETES",
        "pipeline": "CLUSTER",
        "is_replica": False,
        "launched_at": "2026-03-04T00:27:28Z",
        "terminated_at": None,
        "vpc_id": None,
        "subnet_id": None,
        "tags": {"Name": "web 1", "eks:cluster-name": "shop"},
    }
