"""Violations of the rules that a street has written itself: several columns, several rows, two states of a row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from spothive.clock import utc_now
from spothive.models import PLATFORM_TENANT_ID
from spothive.models.jobs import THE_QUEUE
from tests.database.refusal_cases.case import FOREIGN_KEY, Act, Case, add, change, remove, walk
from tests.factories.graph import OVER, Graph
from tests.factories.lives import NOW, WORKER, entering
from tests.factories.samples import SEALED_BY, Row

SOON = NOW + timedelta(hours=1)


def _replica(graph: Graph, number: int, **facts: Any) -> Graph:
    primary = graph.rows["instances"]["id"]
    graph.add("instances", number, is_replica=True, replica_of_id=primary, replica_expiry=NOW, **facts)
    return graph


def an_admin(graph: Graph) -> Row:
    """Add an admin of ``platform``, who is then the last."""
    return graph.add("users", 3, tenant_id=PLATFORM_TENANT_ID, role="admin", is_active=True)


IDENTITY: dict[str, Act] = {
    "ck_api_keys_owner": add("api_keys", user_id=None),
    "ck_api_keys_revoked": change("api_keys", revoked_reason="lost"),
    "ck_backup_codes_used": change("backup_codes", ip_address="127.0.0.1"),
    "ck_invitations_in_time": change("invitations", expires_at=NOW, accepted_at=SOON),
    "ck_login_history_reason": add("login_history", success=False),
    "ck_session_logs_revoked": change("session_logs", revoked_reason="lost"),
    "ck_user_tokens_in_time": change("user_tokens", expires_at=NOW, used_at=SOON),
    "ck_users_totp": change("users", totp_enabled=True),
    "lc_invitations_open": lambda g: g.add("invitations", email=g.rows["invitations"]["email"]),
    "lc_api_keys_agent": change("api_keys", scopes=["read", "agent"]),
    "lc_api_keys_given": lambda g: g.change("api_keys", user_id=g.add("users")["id"]),
    "lc_tenants_platform_gone": lambda g: g.remove("tenants", PLATFORM_TENANT_ID),
    "lc_tenants_platform": lambda g: g.change("tenants", PLATFORM_TENANT_ID, is_active=False),
    "lc_users_username": change("users", username="ann@x.io"),
    "lc_users_last_admin": lambda g: g.change("users", an_admin(g)["id"], role="user"),
    "lc_users_last_admin_gone": lambda g: g.remove("users", an_admin(g)["id"]),
    "lc_users_totp_step": lambda g: g.change("users", totp_last_step=2).change("users", totp_last_step=1),
}

FLEET: dict[str, Act] = {
    "ck_accounts_account_id_form": change("accounts", account_id="12345"),
    "ck_accounts_import_unproven": add("accounts", connection_method="import"),
    "ck_accounts_key_proof": change("accounts", connection_method="access_keys", status="connected"),
    "ck_accounts_prod_proven": change("accounts", environment_type="PROD"),
    "ck_accounts_role_proof": change("accounts", status="connected", role_arn=None),
    "ck_instances_flagged": change("instances", flagged_at=NOW),
    "ck_instances_own_replica": lambda g: g.change(
        "instances", is_replica=True, replica_of_id=g.rows["instances"]["id"], replica_expiry=NOW
    ),
    "ck_instances_replica": change("instances", is_replica=True),
    "ck_instances_terminated": change("instances", state="terminated"),
    "ck_onboarding_requests_method": change("onboarding_requests", connection_method="import"),
    "ck_onboarding_requests_verified": change("onboarding_requests", role_arn="arn:aws:iam::000000000000:role/r"),
    "ck_scan_runs_finished": change("scan_runs", status="FAILED"),
    "lc_instances_unauthorized": lambda g: g.change("instances", auth_status="flagged", flagged_at=utc_now()).change(
        "instances", auth_status="unauthorized"
    ),
    "lc_instances_replica_account": lambda g: _replica(g, 2, account_id=g.add("accounts")["id"]),
    "lc_instances_account": lambda g: g.change("instances", account_id=g.add("accounts")["id"]),
    "uq_instances_live_replica": lambda g: _replica(_replica(g, 2), 3),
    "uq_scan_runs_running": lambda g: g.add("scan_runs", kind=g.rows["scan_runs"]["kind"]),
    "lc_scan_runs_complete": change("scan_runs", status="COMPLETE", finished_at=NOW),
    "lc_scan_runs_kept": lambda g: g.remove("scan_runs", g.complete_scan()),
    "lc_scan_runs_ended": lambda g: g.walk("scan_runs", "FAILED").change("scan_runs", seen=1),
    "lc_scan_units_frozen": lambda g: g.walk("scan_runs", "FAILED").add("scan_units"),
    "lc_scan_units_kept": remove("scan_units"),
    "lc_scan_units_run": lambda g: g.change("scan_units", scan_run_id=g.add("scan_runs")["id"]),
}


def _leased(graph: Graph) -> Graph:
    """Let a run hold the sample schedule, for long enough."""
    leased: Row = {"lease_token": WORKER, "leased_until": utc_now() + timedelta(hours=1)}
    return graph.change("hibernation_schedules", **leased)


def _let_asleep(graph: Graph) -> Graph:
    return _leased(graph).change("hibernation_schedules", restore_state=_SIZES, applied_state="asleep")


def _write_late(graph: Graph) -> None:
    graph.change("hibernation_schedules", lease_token=WORKER, leased_until=NOW)
    graph.change("hibernation_schedules", restore_state=_SIZES)


_SIZES: Row = {"eks:general": {"min": 2, "max": 12, "desired": 3}}
_NOTHING: Row = {"eks:general": {"min": 0, "max": 12, "desired": 0}}

CLUSTERS: dict[str, Act] = {
    "ck_hibernation_overrides_order": change("hibernation_overrides", starts_at=NOW, ends_at=NOW),
    "lc_cluster_policies_keys": change("cluster_policies", config={"require_aproval": True}),
    "lc_cluster_policies_version": lambda g: g.change("cluster_policies", version=3).change(
        "cluster_policies", version=2
    ),
    "ck_hibernation_schedules_restorable": lambda g: _leased(g).change("hibernation_schedules", applied_state="asleep"),
    "ck_hibernation_schedules_lease": change("hibernation_schedules", lease_token=WORKER),
    "lc_hibernation_schedules_leased": _write_late,
    "lc_hibernation_schedules_claimed": lambda g: _leased(g).change("hibernation_schedules", lease_token=uuid4()),
    "lc_hibernation_schedules_cluster": lambda g: g.change("hibernation_schedules", cluster_id=g.add("clusters")["id"]),
    "lc_hibernation_schedules_kept": lambda g: _let_asleep(g).change("hibernation_schedules", restore_state=_NOTHING),
    "uq_node_templates_default": lambda g: g.change("node_templates", is_default=True).add(
        "node_templates", is_default=True
    ),
}

RISK: dict[str, Act] = {
    "ck_global_risk_events_expiry": add("global_risk_events", expires_at=NOW),
    "ck_global_risk_events_pool": add("global_risk_events", pool_id="elsewhere"),
    "ck_spot_pool_risks_order": change("spot_pool_risks", is_poisoned=True, poisoned_at=NOW, poison_expires_at=NOW),
    "ck_spot_pool_risks_poisoned": change("spot_pool_risks", is_poisoned=True),
    "ck_spot_pool_risks_pool": change("spot_pool_risks", pool_id="elsewhere"),
}


def _two_active_models(graph: Graph) -> None:
    for model in (graph.rows["ml_models"]["id"], graph.add("ml_models")["id"]):
        graph.walk("ml_models", "ENABLED", model, deployed_at=NOW, is_active_prod=True)


def _decide_on_a_counted_day(graph: Graph) -> None:
    days = utc_now() - timedelta(days=4), utc_now() - timedelta(days=3)
    graph.add("rollup_watermarks", name="decisions", position=f"{days[1]:%Y-%m-%d} {days[0]:%Y-%m-%d} 1")
    graph.add("experiment_logs", 3, execution_time=days[1])
    graph.add("experiment_logs", execution_time=days[0])


DECISIONS: dict[str, Act] = {
    "lc_experiment_logs_day": _decide_on_a_counted_day,
    "ck_decision_rollups_sum": change("decision_rollups", decisions=1),
    "ck_decision_rollups_real": change("decision_rollups", real_switches=1),
    "lc_experiment_logs_account": lambda g: g.add("experiment_logs", account_id=g.add("accounts")["id"]),
    "ck_experiment_logs_failed": add("experiment_logs", error_message="no prices"),
    "ck_experiment_logs_shadow": lambda g: g.walk(
        "experiment_logs", "ACTED", g.add("experiment_logs", is_shadow_run=True)["id"]
    ),
    "ck_experiment_logs_target": add("experiment_logs", decision="SWITCH"),
    "lc_experiment_logs_facts": change("experiment_logs", features_used={"advisor_band": 0}),
    "lc_explanations_facts": change("explanations", base_value=0.5),
    "ck_lab_experiments_completed": change("lab_experiments", completed_at=NOW),
    "ck_lab_experiments_lease": change("lab_experiments", lease_token=WORKER, leased_until=NOW),
    "ck_lab_experiments_started": change("lab_experiments", started_at=NOW),
    "ck_ml_models_active": change("ml_models", is_active_prod=True),
    "ck_ml_models_archived": change("ml_models", status="ARCHIVED"),
    "ck_ml_models_graduated": walk("ml_models", "GRADUATED", graduated_at=None),
    "uq_ml_models_one_active": _two_active_models,
    "lc_ml_models_kept": remove("ml_models"),
    "lc_ml_models_file": change("ml_models", file_hash="f" * 64),
    "lc_ml_models_graduated": lambda g: g.walk("ml_models", "TESTING").change(
        "ml_models", **entering("ml_models", "GRADUATED")
    ),
}


def _approve_own(graph: Graph) -> None:
    person = uuid4()
    row = _ask(graph, requester_id=person)
    graph.walk("approval_requests", "APPROVED", row["id"], decided_by="person", approver_id=person, approver_name="A")


def _ask(graph: Graph, **values: Any) -> Row:
    """Add a request to do something else to the same target."""
    return graph.add("approval_requests", 5, **{"action_type": "TERMINATE_ROGUE", **values})


def _approve_late(graph: Graph) -> None:
    row = _ask(graph, requested_at=NOW, expires_at=SOON)
    graph.walk("approval_requests", "APPROVED", row["id"], decided_at=SOON + timedelta(seconds=1))


def _decide_twice(graph: Graph) -> None:
    graph.walk("approval_requests", "APPROVED").change("approval_requests", decided_at=SOON)


def _use_twice(table: str, column: str) -> Act:
    used: Row = {column: NOW}
    unused: Row = {column: None}
    return lambda graph: graph.change(table, **used).change(table, **unused)


def _ask_twice(graph: Graph, **target: Any) -> None:
    for number in (2, 3):
        graph.add("approval_requests", number, **target)


def _execute_twice(graph: Graph) -> None:
    graph.walk("approval_requests", "APPROVED", executed_at=NOW).change("approval_requests", executed_at=None)


def _schedule_after_a_failed_scan(graph: Graph) -> None:
    graph.walk("waste_resources", "FLAGGED")  # seen by two that are COMPLETE
    later = graph.add("scan_runs", 60, started_at=NOW)["id"]
    graph.change("scan_runs", later, **entering("scan_runs", "FAILED"))
    graph.approve_deletion(graph.rows["waste_resources"]["id"], "0" * 64)
    graph.change("waste_resources", **entering("waste_resources", "SCHEDULED_DELETE"))


WASTE_AND_APPROVALS: dict[str, Act] = {
    "ck_approval_requests_approver": walk("approval_requests", "APPROVED", decided_by="person"),
    "ck_approval_requests_decided": change("approval_requests", decided_at=NOW, decided_by="policy"),
    "ck_approval_requests_executed": change("approval_requests", executed_at=NOW),
    "ck_approval_requests_four_eyes": _approve_own,
    "ck_approval_requests_in_time": _approve_late,
    "ck_approval_requests_rejection": change("approval_requests", rejection_reason="no"),
    "ck_approval_requests_target": add("approval_requests", action_type="TERMINATE_ROGUE", instance_id=None),
    "ck_approval_requests_window": lambda g: _ask(g, requested_at=NOW, expires_at=NOW),
    "uq_approval_requests_cluster": lambda g: _ask_twice(
        g, action_type="HIBERNATE_CLUSTER", instance_id=None, cluster_id=g.rows["clusters"]["id"]
    ),
    "uq_approval_requests_instance": add("approval_requests", action_type="SWITCH_INSTANCE"),
    "uq_approval_requests_waste_resource": lambda g: _ask_twice(
        g, action_type="DELETE_WASTE", instance_id=None, waste_resource_id=g.rows["waste_resources"]["id"]
    ),
    "lc_approval_requests_asked": change("approval_requests", plan_hash="f" * 64),
    "lc_approval_requests_decided_once": _decide_twice,
    "lc_approval_requests_executed_at_once": _execute_twice,
    "lc_invitations_accepted_at_once": _use_twice("invitations", "accepted_at"),
    "lc_user_tokens_used_at_once": _use_twice("user_tokens", "used_at"),
    "lc_backup_codes_used_at_once": _use_twice("backup_codes", "used_at"),
    "lc_api_keys_revoked_at_once": _use_twice("api_keys", "revoked_at"),
    "lc_session_logs_logged_out_at_once": _use_twice("session_logs", "logged_out_at"),
    "ck_waste_resources_begun": lambda g: g.walk("waste_resources", "SCHEDULED_DELETE").change(
        "waste_resources", status="FLAGGED", scheduled_deletion_date=None, deletion_begun_at=NOW
    ),
    "ck_waste_resources_deleted": change("waste_resources", deleted_at=NOW),
    "ck_waste_resources_planned": walk("waste_resources", "SCHEDULED_DELETE", plan_hash=None),
    "ck_waste_resources_scheduled": change("waste_resources", scheduled_deletion_date=NOW),
    "ck_waste_resources_seen": change("waste_resources", detected_at=SOON, last_seen_at=NOW),
    "uq_waste_resources_live": lambda g: g.add("waste_resources", resource_id=g.rows["waste_resources"]["resource_id"]),
    "lc_waste_resources_complete": _schedule_after_a_failed_scan,
    "lc_waste_resources_approved": walk("waste_resources", "SCHEDULED_DELETE", plan_hash="1" * 64),
    "lc_waste_resources_flagged": change("waste_resources", status="FLAGGED"),
    "lc_waste_resources_claimed": lambda g: g.change("waste_resources", claimed_since=NOW).change(
        "waste_resources", claimed_since=SOON
    ),
    "lc_waste_resources_same": change("waste_resources", region="eu-south-2"),
    "lc_waste_resources_grace": lambda g: g.walk(
        "waste_resources", "SCHEDULED_DELETE", scheduled_deletion_date=utc_now() + timedelta(hours=1)
    ).change("waste_resources", **entering("waste_resources", "DELETED")),
    "lc_waste_resources_plan": lambda g: g.walk("waste_resources", "SCHEDULED_DELETE").change(
        "waste_resources", scheduled_deletion_date=NOW - timedelta(seconds=1)
    ),
}


def _hand_out_again(graph: Graph) -> None:
    for state in ("PICKED_UP", "PENDING"):
        graph.change("agent_actions", **entering("agent_actions", state))
    again: Row = entering("agent_actions", "PICKED_UP") | {"attempts": 2}
    graph.change("agent_actions", **again)  # with the token of the first hand-out


def _hand_out_too_often(graph: Graph) -> None:
    for state in ("PICKED_UP", "PENDING"):
        graph.change("agent_actions", **entering("agent_actions", state))
    again: Row = entering("agent_actions", "PICKED_UP") | {"attempts": 2, "lease_token": 2}
    graph.change("agent_actions", **again, max_attempts=1)


def _expire_while_leased(graph: Graph) -> None:
    graph.change("agent_actions", **entering("agent_actions", "PICKED_UP"))
    graph.change("agent_actions", **entering("agent_actions", "EXPIRED") | OVER)


def _ask_for_something_else(graph: Graph) -> None:
    graph.change("agent_actions", payload={"node": "another"})  # before any agent knows


def _report_again(graph: Graph) -> None:
    graph.walk("agent_actions", "COMPLETED").change("agent_actions", priority=1)


def _hand_out_expired(graph: Graph) -> None:
    graph.change("agent_actions", **OVER)
    graph.change("agent_actions", **entering("agent_actions", "PICKED_UP"))


def _take_a_job_from_its_worker(graph: Graph) -> None:
    graph.walk("optimization_jobs", "RUNNING", leased_until=utc_now() + timedelta(hours=1))
    graph.change("optimization_jobs", lease_token=uuid4())


def _rewrite_a_job(graph: Graph) -> None:
    graph.walk("optimization_jobs", "FAILED").change("optimization_jobs", results={"nodes": 3})


def _complete_with_open_actions(graph: Graph) -> None:
    graph.walk("optimization_jobs", "RUNNING").change("optimization_jobs", lease_token=THE_QUEUE)
    graph.change("optimization_jobs", **entering("optimization_jobs", "COMPLETED"))


def _complete_as_a_worker(graph: Graph) -> None:
    graph.walk("agent_actions", "COMPLETED").walk("optimization_jobs", "RUNNING")
    graph.change("optimization_jobs", **entering("optimization_jobs", "COMPLETED"))


def _ask_of_completed_job(graph: Graph) -> None:
    graph.walk("optimization_jobs", "COMPLETED").add("agent_actions")


def _end_again(graph: Graph) -> None:
    begun = graph.rows["downtime_logs"]["start_time"]
    graph.change("downtime_logs", end_time=begun, duration_seconds=0)
    graph.change("downtime_logs", end_time=begun + timedelta(seconds=1), duration_seconds=1)


_JOB: dict[str, Row] = {
    "completed": {"completed_at": NOW},
    "failed": {"error_message": "no"},
    "lease": {"lease_token": WORKER, "leased_until": NOW},
    "started": {"started_at": NOW},
}
_DATASET_JOBS = ("dataset_generations", "dataset_imports")


def _taken(table: str) -> Act:
    """Return the act of taking a job of ``table`` from the worker that has it."""
    leased: Row = {"leased_until": utc_now() + timedelta(hours=1)}
    return lambda g: g.walk(table, "running", **leased).change(table, lease_token=uuid4())


def _shortened(table: str) -> Act:
    """Return the act of letting the lease of a job of ``table`` run out before its time."""
    leased: Row = {"leased_until": utc_now() + timedelta(hours=1)}
    return lambda g: g.walk(table, "running", **leased).change(table, leased_until=NOW)


def _asked_anew(table: str) -> Act:
    return change(table, config={"replace": True})


def _done_for_nothing(table: str) -> Act:
    return lambda g: g.change(table, dataset_id=None).walk(table, "completed")


def _progress_lost(table: str) -> Act:
    return lambda g: g.walk(table, "running", progress=100, rows=2).change(table, rows=1)


def _changed_afterwards(table: str) -> Act:
    return lambda g: g.walk(table, "failed").change(table, error_message="no such thing")


JOBS_AND_SLA: dict[str, Act] = {
    "ck_agent_actions_ended": change("agent_actions", completed_at=NOW),
    "ck_agent_actions_expiry": change("agent_actions", created_at=NOW, expires_at=NOW),
    "ck_agent_actions_leased": change("agent_actions", leased_until=NOW),
    "ck_agent_actions_payload_keys": add("agent_actions", payload={}),
    "ck_agent_actions_tries": _hand_out_too_often,
    "lc_agent_actions_attempts": lambda g: g.walk("agent_actions", "PICKED_UP").change("agent_actions", attempts=0),
    "lc_agent_actions_kept": remove("agent_actions"),
    "lc_agent_actions_longest": lambda g: g.walk("agent_actions", "PICKED_UP").change(
        "agent_actions", leased_until=utc_now() + timedelta(hours=2)
    ),
    "lc_agent_actions_optimization_job_id_once": change("agent_actions", optimization_job_id=None),
    "lc_agent_actions_untouched": add("agent_actions", attempts=1),
    "lc_optimization_jobs_handed_over": _complete_as_a_worker,
    "lc_agent_actions_lease": _expire_while_leased,
    "lc_agent_actions_token": _hand_out_again,
    "lc_agent_actions_late": change("agent_actions", **entering("agent_actions", "EXPIRED")),
    "lc_agent_actions_handed_out": _hand_out_expired,
    "lc_agent_actions_order": _ask_for_something_else,
    "lc_agent_actions_ended": _report_again,
    "lc_optimization_jobs_claimed": _take_a_job_from_its_worker,
    "lc_optimization_jobs_ended": _rewrite_a_job,
    "lc_agent_actions_job": _ask_of_completed_job,
    "lc_optimization_jobs_completed": _complete_with_open_actions,
    "ck_downtime_logs_duration": change("downtime_logs", duration_seconds=1),
    "ck_downtime_logs_whole_seconds": add("downtime_logs", start_time=NOW + timedelta(microseconds=1)),
    "lc_datasets_file": change("datasets", file_hash="f" * 64),
    "lc_downtime_logs_facts": _end_again,
    **{
        f"ck_{table}_{rule}": change(table, **values)
        for table in ("optimization_jobs", *_DATASET_JOBS)
        for rule, values in _JOB.items()
    },
    **{
        f"lc_{table}_{rule}": act(table)
        for table in _DATASET_JOBS
        for rule, act in {
            "asked": _asked_anew,
            "claimed": _taken,
            "ended": _changed_afterwards,
            "progress": _progress_lost,
            "result": _done_for_nothing,
        }.items()
    },
    "lc_dataset_imports_claimed": _shortened("dataset_imports"),  # in two steps, as the other in one
}

AUDIT_AND_NOTIFICATIONS: dict[str, Act] = {
    "ck_audit_seals_chain": add("audit_seals", tenant_id=uuid4(), seal_no=1),
    "ck_audit_seals_leaves": add("audit_seals", leaves=b"one leaf"),
    "lc_email_digest_queue_included_once": lambda g: g.change("email_digest_queue", included_in_digest=True).change(
        "email_digest_queue", included_in_digest=False
    ),
    "lc_email_logs_message_id_once": lambda g: g.change("email_logs", message_id="<a@x.io>").change(
        "email_logs", message_id="<b@x.io>"
    ),
    "uq_email_logs_message_id": lambda g: g.change("email_logs", message_id="<a@x.io>").add(
        "email_logs", message_id="<a@x.io>"
    ),
    "ck_email_logs_sent": change("email_logs", sent_at=NOW),
    "ck_email_logs_waiting": walk("email_logs", "sent", next_attempt_at=NOW),
    "lc_tellings_forward": change("tellings", told_until=NOW - timedelta(days=1)),
    "ck_webhook_configurations_signed": change("webhook_configurations", provider_type="webhook", signing_secret=None),
    "ck_webhook_configurations_rotated": change("webhook_configurations", previous_until=NOW),
    "ck_webhook_configurations_failing": change("webhook_configurations", consecutive_failures=10),
    "ck_webhook_logs_earlier": add("webhook_logs", message_id="another", earlier_attempts=1),
    "lc_webhook_logs_attempts": lambda g: g.change("webhook_logs", attempts=2).change("webhook_logs", attempts=1),
    "lc_webhook_logs_message": lambda g: g.change("webhook_logs", attempts=1).change("webhook_logs", payload={"a": 1}),
    "lc_webhook_logs_anew": lambda g: g.walk("webhook_logs", "sent", attempts=2).step("webhook_logs", "pending"),
    "ck_webhook_logs_sent": change("webhook_logs", sent_at=NOW),
    "ck_webhook_logs_waiting": walk("webhook_logs", "sent", next_attempt_at=NOW),
}

SECRETS: dict[str, Act] = {"lc_withdrawn_keys_in_use": add("withdrawn_keys", key_id=SEALED_BY)}


def _remove_dataset_of(table: str) -> Act:
    """Return the act of deleting a dataset to which only a row of ``table`` points."""
    (other,) = {"dataset_generations", "dataset_imports"} - {table}
    return lambda graph: graph.remove(other).remove("datasets")


BY_HAND = (
    IDENTITY
    | FLEET
    | CLUSTERS
    | RISK
    | DECISIONS
    | WASTE_AND_APPROVALS
    | JOBS_AND_SLA
    | AUDIT_AND_NOTIFICATIONS
    | SECRETS
)

DELETED_PARENTS = {
    case.constraint: case
    for case in (
        Case(
            "instances",
            FOREIGN_KEY,
            "fk_instances_tenant_id_replica_of_id",
            lambda g: _replica(g, 2).remove("instances"),
        ),
        Case(
            "agent_actions",
            FOREIGN_KEY,
            "fk_agent_actions_tenant_id_optimization_job_id",
            remove("optimization_jobs"),
        ),
        Case("waste_resources", FOREIGN_KEY, "fk_waste_resources_tenant_id_scan_run_id", remove("scan_runs")),
        *(
            Case(table, FOREIGN_KEY, f"fk_{table}_tenant_id_dataset_id", _remove_dataset_of(table))
            for table in ("dataset_generations", "dataset_imports")
        ),
    )
}
"""Keys that keep a parent from being deleted while children point at it."""
