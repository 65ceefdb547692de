"""``spothive cluster`` and ``spothive hibernation`` on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from spothive.cli.clusters.week_grid import draw_week
from spothive.operations.clusters import read_week
from tests.cli.conftest import Spothive
from tests.conftest import Database
from tests.factories import make_account, make_cluster, make_instance, make_tenant
from tests.watching import everything

AT_HOME = ("--tenant", "initech")
OFFICE = "mon-fri 07:00-19:00"


@pytest.fixture
def shop(people: Database) -> Any:
    initech = make_tenant("initech")
    shop = make_cluster(initech, make_account(initech, "main").id, "shop")
    make_instance(initech, shop.account_id, "i-1", cluster_id=shop.id, price="0.5")
    make_instance(initech, shop.account_id, "i-2", cluster_id=shop.id)
    return shop


def test_clusters_and_their_policies(shop: Any, done: Spothive, refused: Callable[..., str]) -> None:
    (row,) = done("cluster", "list", "--json", *AT_HOME).json
    assert (row["name"], row["account"], row["running"], row["policy_version"]) == ("shop", "main", 2, None)
    assert done("cluster", "show", str(shop.id), "--json", *AT_HOME).json["id"] == str(shop.id)
    assert done("cluster", "policy", "show", "shop", *AT_HOME).out.startswith("shop has no policy\n")
    words = ["cluster", "policy", "set", "shop"]
    keys = ["spot_percentage=80", "strategy=CHEAPEST", "excluded_namespaces=kube-system,monitoring"]
    assert done(*words, *keys, *AT_HOME).out == "the policy of shop has version 1\n"
    assert done(*words, "strategy=", "require_approval=true", "--json", "--version", "1", *AT_HOME).json == {
        "version": 2,
        "config": {
            "spot_percentage": 80,
            "excluded_namespaces": ["kube-system", "monitoring"],
            "require_approval": True,
        },
    }
    shown = done("cluster", "policy", "show", "shop", *AT_HOME)
    assert shown.out.startswith("shop: version 2\n")
    assert '["kube-system", "monitoring"]' in shown.words
    before = everything()
    for wrong, message in {
        ("spot=1",): "a policy has no key 'spot': it has strategy, ",
        ("min_nodes",): "'min_nodes': write each key once",
        ("min_nodes=1", "min_nodes=2"): "'min_nodes=2': write each key once",
        ("min_nodes=many",): "min_nodes is a whole number from 0 to 100000, not 'many'",
        (f"min_nodes={'9' * 5000}",): "min_nodes is a whole number",
        ("max_risk_threshold=NaN",): "max_risk_threshold is a number from 0 to 1",
        ("min_nodes=1", "--version", "1"): "the policy of shop has version 2 by now, not 1",
    }.items():
        assert refused(*words, *wrong, *AT_HOME).startswith(message)
    for command in (["cluster", "show"], ["cluster", "policy", "show"], ["hibernation", "show"]):
        assert refused(*command, "x", *AT_HOME) == "no cluster is called 'x': see `spothive cluster list`"
    assert everything() == before


def test_node_templates(people: Database, done: Spothive, refused: Callable[..., str]) -> None:
    words = ["cluster", "template"]
    mine = ("--tenant", "acme", "--as", "acme-client")
    assert done(*words, "list", *mine).out.startswith("no templates")
    shape = ["--family", "m6i", "--family", "m6a", "--disk-size", "50", "--strategy", "CHEAPEST"]
    assert done(*words, "create", "batch", *shape, *mine).out == "created template batch\n"
    done(*words, "create", "arm", "--family", "m7g", "--architecture", "arm64", "--default", *mine)
    done(*words, "default", "batch", *mine)
    rows = done(*words, "list", "--json", *mine).json
    assert [(row["name"], row["default"], row["families"], row["disk_size"]) for row in rows] == [
        ("arm", False, ["m7g"], 100),
        ("batch", True, ["m6i", "m6a"], 50),
    ]
    assert "m6i, m6a" in done(*words, "list", *mine).words
    assert done(*words, "delete", "batch", *mine).out == "deleted template batch\n"
    assert refused(*words, "delete", "batch", *mine).startswith("no template is called 'batch'")
    assert refused(*words, "create", "x", "--family", "m6i.large", *mine).startswith("a template names")
    create = [*words, "create", "batch", "--family", "m6i", "--tenant", "acme"]
    assert refused(*create) == "admin has no templates in this tenant: say whose is meant, by --owner"
    assert refused(*create, "--owner", "gina").startswith("no user of this tenant is called 'gina'")
    done("user", "disable", "acme-client", "--tenant", "acme")
    done(*create, "--owner", "acme-client")  # whoever is gone leaves templates that can be cleared away
    done(*words, "delete", "batch", "--owner", "acme-client", "--tenant", "acme")


GRID = """\
     00    06    12    18
mon  .......############.....
tue  .......############.....
wed  .......############.....
thu  .......############.....
fri  .......############.....
sat  ........................
sun  ........................
     # awake  . asleep
"""


def test_a_week_is_set_shown_and_planned(
    shop: Any, done: Spothive, refused: Callable[..., str], tmp_path: Path
) -> None:
    words = ["hibernation", "set", "shop"]
    assert refused(*words, "--timezone", "UTC", *AT_HOME) == "shop has no hibernation yet: say when it is awake"
    given = ["--awake", OFFICE, "--timezone", "Europe/Berlin", "--prewarm", "30"]
    shown = done(*words, *given, *AT_HOME).out
    assert GRID in shown
    assert shown == done("hibernation", "show", "shop", *AT_HOME).out
    facts = done("hibernation", "show", "shop", "--json", *AT_HOME).json
    assert (facts["awake"], facts["week"]) == ([OFFICE], read_week([OFFICE]))
    assert (facts["timezone"], facts["prewarm_minutes"], facts["enabled"]) == ("Europe/Berlin", 30, True)
    assert facts["next_change"].endswith("Z")
    (row,) = done("hibernation", "list", "--json", *AT_HOME).json
    assert {**facts, "overrides": 0} == row | {"week": facts["week"]}
    assert "Europe/Berlin" in done("hibernation", "list", *AT_HOME).out
    plan = ["hibernation", "plan", "shop", "--from", "2026-10-23T12:00", "--days", "4"]
    assert done(*plan, "--json", *AT_HOME).json["changes"] == [
        {"at": "2026-10-23T12:00:00Z", "local": "Fri 2026-10-23 14:00 CEST", "state": "awake"},
        {"at": "2026-10-23T17:00:00Z", "local": "Fri 2026-10-23 19:00 CEST", "state": "asleep"},
        {"at": "2026-10-26T05:30:00Z", "local": "Mon 2026-10-26 06:30 CET", "state": "awake"},
        {"at": "2026-10-26T18:00:00Z", "local": "Mon 2026-10-26 19:00 CET", "state": "asleep"},
        {"at": "2026-10-27T05:30:00Z", "local": "Tue 2026-10-27 06:30 CET", "state": "awake"},
    ]
    assert "Mon 2026-10-26 06:30 CET" in done(*plan, *AT_HOME).words
    file = tmp_path / "week.json"
    file.write_text(json.dumps([1] * 168))
    assert done(*words, "--week", str(file), "--json", *AT_HOME).json["awake"] == ["mon-sun 00:00-24:00"]
    before = everything()
    file.write_text("[1, 0]")
    for wrong, message in {
        ("--awake", "always"): "'always' is no time of the week",
        ("--timezone", "Berlin"): "'Berlin' is no time zone",
        ("--prewarm", "121"): "a cluster wakes up 0 to 120 minutes early",
        ("--week", str(file)): "a week is 168 hours",
        ("--week", str(file), "--awake", OFFICE): "the week is given twice",
    }.items():
        assert refused(*words, *wrong, *AT_HOME).startswith(message)
        assert refused("hibernation", "preview", "shop", *wrong, *AT_HOME).startswith(message)
    file.write_text("{")
    assert refused(*words, "--week", str(file), *AT_HOME).endswith("week.json is no JSON list of 168 hours")
    assert refused(*plan[:3], "--days", "0", *AT_HOME) == "a plan is for 1 to 366 days"
    assert refused(*plan[:3], "--from", "2h", *AT_HOME).startswith("--from: '2h' is no moment")
    assert refused(*plan[:3], "--from", "9999-12-31", *AT_HOME).startswith("hibernation is planned for the years")
    assert everything() == before


def test_overrides_are_made_shown_and_cancelled(shop: Any, done: Spothive, refused: Callable[..., str]) -> None:
    done("hibernation", "set", "shop", "--awake", "mon-sun", *AT_HOME)
    words = ["hibernation", "override", "shop", "asleep", "--reason", "fair", *AT_HOME]
    made = done(*words, "--for", "3h", "--json").json
    shown = done("hibernation", "show", "shop", "--json", *AT_HOME).json
    assert (shown["state"], shown["next_change"]) == ("asleep", made["ends_at"])
    assert shown["overrides"] == [made]
    assert "fair" in done("hibernation", "show", "shop", *AT_HOME).out
    before = everything()
    for wrong, message in {
        (): "say how long: either",
        ("--for", "3h", "--until", "2030-01-01"): "say how long: either",
        ("--for", "3 days"): "--for: '3 days' is no time",
        ("--for", "999999w"): "--for: that is longer",
        ("--until", "2020-01-01"): "an override begins now or later",
        ("--until", "tomorrow"): "--until: 'tomorrow' is no moment",
    }.items():
        assert refused(*words, *wrong).startswith(message)
    nobody = str(uuid4())
    assert nobody in refused("hibernation", "cancel", "shop", nobody, *AT_HOME)
    assert everything() == before
    assert done("hibernation", "cancel", "shop", made["id"], *AT_HOME).out == f"override {made['id']} is over\n"
    assert done("hibernation", "show", "shop", "--json", *AT_HOME).json["state"] == "awake"
    assert done("hibernation", "disable", "shop", *AT_HOME).out == "hibernation of shop is off\n"
    assert refused(*words, "--for", "3h").startswith("hibernation of shop is off, it stays awake")
    assert done("hibernation", "enable", "shop", "--json", *AT_HOME).json == {"cluster": "shop", "enabled": True}
    assert done(*words, "--for", "30m", "--from", "2026-01-01", "--help").out


def test_a_preview_says_what_is_saved(shop: Any, done: Spothive, refused: Callable[..., str]) -> None:
    words = ["hibernation", "preview", "shop", *AT_HOME]
    assert refused(*words).startswith("shop has no hibernation: ")
    half = ["--awake", "mon-sun 0-12"]
    assert done(*words, *half).out == (
        "shop would be asleep for 360.00 of 720 hours\n"
        "2 instances run, for 0.5 USD/hour\n"
        "saved in 30 days: 180.00 USD\n"
        "not counted: 1 instances whose price is not known\n"
    )
    done("hibernation", "set", "shop", *half, *AT_HOME)
    done("hibernation", "disable", "shop", *AT_HOME)
    assert done(*words, "--json").json == {
        "cluster": "shop",
        "days": 30,
        "hours_asleep": "360.00",
        "instances": 2,
        "unpriced": 1,
        "hourly_cost": "0.500000",
        "saved": "180.00",
    }
    assert done(*words, "--prewarm", "60", "--json").json["hours_asleep"] == "330.00"


def test_a_terminal_with_more_than_ascii_gets_blocks() -> None:
    lines = draw_week(read_week(["tue 6-8"]), fine=True)
    assert lines[2] == f"tue  {'·' * 6}██{'·' * 16}"
    assert {len(line) for line in lines[1:8]} == {29}
    assert "\n".join(draw_week(read_week([OFFICE]), fine=False)) + "\n" == GRID
