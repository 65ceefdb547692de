"""The duties that let people hear of what happened: digests, and the mails that wait."""

from __future__ import annotations

from contextlib import closing

from spothive.operations.notifications import queue_digests, send_mails
from spothive.operations.sweeps.having import has_due_digests, has_waiting_mails
from spothive.operations.sweeps.work import Work


def write_digests(work: Work) -> None:
    """Write the digests whose time has come, tenant by tenant; they are sent with the other mails."""
    for tenant in work.tenants(has_due_digests()):
        with work.part(tenant.slug):
            done = queue_digests(work.sessions, work.actor, tenant_id=tenant.id, go_on=work.go_on)
            work.counts.update(digests=done.written, events=done.entries, late=done.late, dropped=done.dropped)


def send_waiting_mails(work: Work) -> None:
    """Send the mails that wait, tenant by tenant over one connection. When the server takes none, nobody's are tried.

    What a mail's own recipient is refused for is in the row of the mail, and no failure of the duty.
    """
    with work.part("mail server"), closing(work.tools.mailer()) as mailer:
        for tenant in work.tenants(has_waiting_mails()):
            with work.part(tenant.slug):
                done = send_mails(work.sessions, work.actor, tenant_id=tenant.id, mailer=mailer, go_on=work.go_on)
                work.counts.update(sent=done.sent, deferred=done.deferred, given_up=done.failed)
                if done.obstacle is not None:
                    work.fail("mail server", done.obstacle)
                    return
