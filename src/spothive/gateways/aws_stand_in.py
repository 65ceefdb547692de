"""The stand-in for AWS: several accounts with keys, roles and fleets, behind the real protocol on loopback.

moto keeps the accounts and answers; the gate before it checks signatures, policies and trust, counts requests and
makes the trouble a test orders. One stand-in at a time can live in a process, because moto
keeps one world for each process.

>>> with AwsStandIn() as aws:
...     account = aws.make_account(external_id="spothive-4711")
...     gateway = AwsGateway(ConnectionOptions(endpoint_url=aws.url), platform=aws.platform)
...     credentials = gateway.assume_role(account.role_arn, "spothive-4711")
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import botocore.session  # type: ignore[import-untyped]  # ships no types
from botocore.loaders import create_loader  # type: ignore[import-untyped]  # ships no types
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import Client

from spothive.errors import AlreadyRunning
from spothive.gateways.aws_stand_in_accounts import StandInIdentities
from spothive.gateways.aws_stand_in_fleet import hold_fleet
from spothive.gateways.aws_stand_in_gate import Fault, Gate
from spothive.gateways.aws_stand_in_waste import StandInWaste
from spothive.gateways.fleet_stand_in import (
    STAND_IN_NOW,
    STAND_IN_REGIONS,
    Answer,
    changed_answer,
    generated_answer,
)

if TYPE_CHECKING:
    from threading import RLock

    from spothive.gateways.aws_clients import Credentials

PLATFORM_ACCOUNT: Final = "111111111111"
"""The AWS account in which spothive itself runs."""

PLATFORM_ACTIONS: Final = ("sts:AssumeRole", "ec2:DescribeSpotPriceHistory")
"""What spothive's own user may do there: lead into accounts, and read the market."""

_FIRST_ACCOUNT = 200_000_000_000
_TYPES_AT_A_TIME = 300
_DAY = timedelta(days=1)

_world = threading.Lock()  # moto's
_shared_loader = cache(create_loader)


@dataclass(frozen=True, slots=True)
class FleetChange:
    """Ids of the instances that a day changed.

    Attributes:
        launched: new ones.
        terminated: those AWS still lists, as terminated.
        vanished: those AWS does not list any more.
        stopped: those that ran and are stopped.
        started: those that were stopped and run again.
        retyped: those of another type.
    """

    launched: frozenset[str]
    terminated: frozenset[str]
    vanished: frozenset[str]
    stopped: frozenset[str]
    started: frozenset[str]
    retyped: frozenset[str]


class StandInAccount(StandInWaste, StandInIdentities):
    """A made-up AWS account with a fleet, and waste if it is made.

    Attributes:
        account_id: 12 digits.
        regions: those the account has enabled.
        credentials: key pair of a user who may do what the onboarding template grants for reading.
        role_arn: a role that trusts spothive, with the external id the account was made with.
        fleet: what the account holds, as describe-instances would print it.
    """

    def __init__(self, account_id: str, regions: Iterable[str], busy: RLock) -> None:
        """Open the account; ``busy`` is held while no request may be answered."""
        super().__init__(account_id, regions)
        _, self.credentials = self.make_user()
        self.role_arn = ""
        self.fleet: Answer = {"Reservations": []}
        self._busy = busy
        self._days = 0

    def set_fleet(self, fleet: Answer) -> None:
        """Hold exactly these instances, which must lie in the account's regions."""
        with self._busy:
            hold_fleet(self.account_id, fleet, self.regions)
        self.fleet = fleet

    def change_fleet(self) -> FleetChange:
        """Let a day pass: some instances end, stop, start or change their type, groups launch others."""
        self._days += 1
        pages = changed_answer(self.fleet, seed=self._days, now=STAND_IN_NOW + self._days * _DAY)
        before = _by_id(self.fleet)
        self.set_fleet({"Reservations": [each for page in pages for each in page["Reservations"]]})
        return _difference(before, _by_id(self.fleet))


class AwsStandIn:
    """AWS on loopback, with no account but spothive's own. A context manager.

    Attributes:
        url: where every service answers.
        platform: spothive's own credentials.
        platform_arn: the principal that accounts trust.
    """

    def __init__(self) -> None:
        """Answer nothing yet."""
        self._accounts: dict[str, StandInIdentities] = {}
        self._undo = ExitStack()
        self._gate: Gate
        self.url: str
        self.platform: Credentials
        self.platform_arn: str

    def __enter__(self) -> Self:
        """Make an empty world and open the door.

        Raises:
            AlreadyRunning: another stand-in lives in this process.
        """
        if not _world.acquire(blocking=False):
            raise AlreadyRunning("another AWS stand-in lives in this process; close it first")
        self._undo.callback(_world.release)
        try:
            self._open()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._undo.close()

    def make_account(
        self,
        *,
        external_id: str | None = None,
        regions: Iterable[str] = STAND_IN_REGIONS,
        instances: int = 0,
        seed: int = 7,
    ) -> StandInAccount:
        """Make an AWS account with a role for spothive, a user with keys and a fleet of real instance types.

        Args:
            external_id: condition of the role; None makes one that anybody can lead spothive into.
            regions: those with instances, all enabled.
            instances: size of the fleet; from a hundred on it has everything: spot and on-demand, stopped and
                terminated, in EKS clusters, in other Auto Scaling groups and in none.
            seed: another seed, another fleet.
        """
        regions = tuple(regions)
        account_id = str(_FIRST_ACCOUNT + len(self._accounts))
        account = StandInAccount(account_id, regions, self._gate.busy)
        account.role_arn = account.make_role(trusts=self.platform_arn, external_id=external_id)
        self._accounts[account_id] = account
        if instances:
            account.set_fleet(made_up_fleet(account_id, regions=regions, instances=instances, seed=seed))
        return account

    def inject(self, fault: Fault) -> None:
        """Order trouble for requests from now on; of several faults that concern one request the oldest is met."""
        self._gate.order(fault)

    def heal(self) -> None:
        """Forget every fault; late and silent answers come at once."""
        self._gate.heal()

    def calls(
        self,
        service: str | None = None,
        operation: str | None = None,
        *,
        region: str | None = None,
        account_id: str | None = None,
    ) -> int:
        """Return how many requests came in that agree with every fact given, refused ones included."""
        return self._gate.count(service, operation, region, account_id)

    def _open(self) -> None:
        _set_variable("MOTO_EC2_LOAD_DEFAULT_AMIS", "false", self._undo)  # or every account owns 1,302 snapshots
        _read_service_files_once(self._undo)
        moto = DomainDispatcherApplication(create_backend_app)
        Client(moto).post("/moto-api/reset")
        self._undo.callback(Client(moto).post, "/moto-api/reset")
        self._gate = Gate(moto, self._accounts)
        platform = self._accounts[PLATFORM_ACCOUNT] = StandInIdentities(PLATFORM_ACCOUNT, STAND_IN_REGIONS)
        self.platform_arn, self.platform = platform.make_user(actions=PLATFORM_ACTIONS)
        server = make_server("127.0.0.1", 0, self._gate, threaded=True, request_handler=_Silent)
        self._undo.callback(_close, server, _serve(server))
        self._undo.callback(self._gate.heal)  # first of all: silent answers hold threads
        self.url = f"http://127.0.0.1:{server.server_port}"


def made_up_fleet(account_id: str, *, regions: Iterable[str], instances: int, seed: int = 7) -> Answer:
    """Return a fleet of any size, as describe-instances would print it."""
    regions = tuple(regions)
    reservations: list[Answer] = []
    while len(reservations) < instances:
        missing = instances - len(reservations)
        part = generated_answer(
            owner_id=account_id, instance_types=min(missing, _TYPES_AT_A_TIME), regions=regions, seed=seed
        )
        reservations += part["Reservations"][:missing]
        seed += 1
    return {"Reservations": reservations}


class _Silent(WSGIRequestHandler):
    """Writes no line for each request."""

    def log(self, *_: object, **__: object) -> None:
        """Drop the line."""


def _serve(server: BaseWSGIServer) -> threading.Thread:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    return thread


def _close(server: BaseWSGIServer, thread: threading.Thread) -> None:
    server.shutdown()
    thread.join()
    server.server_close()


def _read_service_files_once(undo: ExitStack) -> None:
    """Let all sessions share what they read: botocore parses its files for each anew, and moto makes one a cluster."""
    undo.callback(setattr, botocore.session, "create_loader", botocore.session.create_loader)
    botocore.session.create_loader = _shared_loader


def _set_variable(name: str, value: str, undo: ExitStack) -> None:
    before = os.environ.get(name)
    os.environ[name] = value
    undo.callback(os.environ.pop, name, None) if before is None else undo.callback(os.environ.__setitem__, name, before)


def _by_id(fleet: Answer) -> dict[str, Answer]:
    return {each["InstanceId"]: each for reservation in fleet["Reservations"] for each in reservation["Instances"]}


def _difference(before: dict[str, Answer], after: dict[str, Answer]) -> FleetChange:
    both = before.keys() & after.keys()
    moves = {key: (before[key]["State"]["Name"], after[key]["State"]["Name"]) for key in both}
    moved = {key: new for key, (old, new) in moves.items() if old != new}

    def became(state: str, *old: str) -> frozenset[str]:
        return frozenset(key for key, new in moved.items() if new == state and (not old or moves[key][0] in old))

    return FleetChange(
        launched=frozenset(after.keys() - before.keys()),
        terminated=became("terminated"),
        vanished=frozenset(before.keys() - after.keys()),
        stopped=became("stopped", "running"),
        started=became("running", "stopped"),
        retyped=frozenset(key for key in both if before[key]["InstanceType"] != after[key]["InstanceType"]),
    )
