"""What people are told of accounts that fail and of looks that did not see everything: once for each trouble."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spothive.database import Account, AccountStatus, ScanStatus
from spothive.errors import SpothiveError
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.models import NoticeEvent
from spothive.operations.fleet import discovery
from tests.operations.conftest import World
from tests.operations.fleet.conftest import AWAY, FAR, Desk, account_of
from tests.told import heard, titles
from tests.watching import rows_of, statements

FAILED, PARTIAL = NoticeEvent.ACCOUNT_FAILED, NoticeEvent.SCAN_PARTIAL


def test_an_account_that_fails_is_told_of_once_for_each_move(world: World, desk: Desk, aws: AwsStandIn) -> None:
    mine = aws.make_account()
    desk.connect(mine.credentials, name="my shop")
    refuse = Fault(Trouble.INVALID_CREDENTIALS, account_id=mine.account_id)
    aws.inject(refuse)
    for look in (desk.discover, desk.recheck, desk.recheck):
        with pytest.raises(SpothiveError):
            look(name="my shop")
    assert account_of(rows_of(Account), "my shop")["status"] == AccountStatus.FAILED
    for who in (world.anna, world.lena, world.udo):
        (content,) = heard(who)
        assert content["title"] == "Account my shop has failed"
        assert content["facts"]["account"] == "my shop"
        assert content["facts"]["reason"] in content["body"]
        assert "`spothive account recheck 'my shop'`" in content["body"]
        assert mine.credentials.secret_access_key not in str(content)
    assert heard(world.gina) == heard(world.admin) == []
    aws.heal()
    desk.recheck(name="my shop")
    aws.inject(refuse)
    with pytest.raises(SpothiveError):
        desk.recheck(name="my shop")
    assert titles(world.anna) == ["Account my shop has failed"] * 2


def test_a_trouble_is_told_of_once_and_another_anew(
    world: World, desk: Desk, aws: AwsStandIn, customer: StandInAccount
) -> None:
    desk.connect(customer.credentials)

    def look(*regions: str, trouble: Trouble = Trouble.SERVER_ERROR) -> int:
        aws.heal()
        for region in regions:
            aws.inject(Fault(trouble, account_id=customer.account_id, operation="DescribeInstances", region=region))
        desk.discover()
        return len(heard(world.udo, PARTIAL))

    assert look() == 0
    assert look(AWAY) == 1
    assert look(AWAY) == 1, "the same trouble"
    assert look(AWAY, trouble=Trouble.ACCESS_DENIED) == 2, "the same region for another reason"
    assert look(AWAY, FAR, trouble=Trouble.ACCESS_DENIED) == 3, "another region, too"
    assert look(FAR, trouble=Trouble.ACCESS_DENIED) == 3, "less of it"
    assert look() == 3
    assert look(AWAY) == 4, "it was away, and is back"
    content = heard(world.udo)[2]
    assert content["title"] == f"The discovery of prod is PARTIAL in {FAR}, {AWAY}"
    assert content["facts"] == {
        "account": "prod",
        "kind": "discovery",
        "status": "PARTIAL",
        "regions": [FAR, AWAY],
        "failed": 2,
    }
    assert "`spothive account discover prod`" in content["body"]
    assert heard(world.gina) == []


def test_a_run_that_breaks_off_is_told_of_unless_somebody_interrupted_it(
    world: World, desk: Desk, customer: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.connect(customer.credentials)

    def broken_by(error: BaseException) -> Callable[..., None]:
        def plan(*_: object) -> None:
            raise error

        return plan

    for error in (KeyboardInterrupt(), ZeroDivisionError("a secret"), ZeroDivisionError("a secret")):
        monkeypatch.setattr(discovery._Run, "plan", broken_by(error))  # noqa: SLF001 - what breaks is no matter
        with pytest.raises(type(error)):
            desk.discover()
    (content,) = heard(world.anna)
    assert content["title"] == "The discovery of prod is FAILED"
    assert "broke off: ZeroDivisionError" in content["body"]
    assert "secret" not in str(content)


def test_a_region_in_trouble_costs_the_same_statements_as_three(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount
) -> None:
    desk.connect(customer.credentials)
    counts = []
    for regions in ((AWAY,), (AWAY, FAR, "us-east-1")):
        for region in regions:
            aws.inject(Fault(Trouble.SERVER_ERROR, account_id=customer.account_id, service="eks", region=region))
        with statements() as sent:
            assert desk.discover().status is not ScanStatus.COMPLETE
        counts.append(sum(count for text, count in sent.items() if "notices" in text or "email_logs" in text))
        aws.heal()
    assert counts == [2, 2]
