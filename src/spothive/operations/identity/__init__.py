"""Identity: who may do what, tenants, their people, and how people and programs sign in."""

from spothive.operations.identity.acting import find_actor
from spothive.operations.identity.api_key_use import (
    EndpointUsage,
    KeyHolder,
    check_api_key,
    list_usage,
    record_usage,
    requests_in_last_hour,
)
from spothive.operations.identity.api_keys import create_api_key, list_api_keys, owner_of, revoke_api_key
from spothive.operations.identity.open_sessions import end_other_sessions, end_session, list_sessions
from spothive.operations.identity.people import create_user, find_user, list_users, set_password, set_user_active
from spothive.operations.identity.permissions import ALLOWED, Action, may, require
from spothive.operations.identity.second_factor import (
    TotpSetup,
    begin_totp,
    confirm_totp,
    disable_totp,
    new_backup_codes,
    remove_totp,
)
from spothive.operations.identity.sessions import end_sessions, log_out, resume
from spothive.operations.identity.sign_in import SignedIn, list_log_ins, log_in
from spothive.operations.identity.tenants import create_tenant, list_tenants, set_tenant_active

__all__ = [
    "ALLOWED",
    "Action",
    "EndpointUsage",
    "KeyHolder",
    "SignedIn",
    "TotpSetup",
    "begin_totp",
    "check_api_key",
    "confirm_totp",
    "create_api_key",
    "create_tenant",
    "create_user",
    "disable_totp",
    "end_other_sessions",
    "end_session",
    "end_sessions",
    "find_actor",
    "find_user",
    "list_api_keys",
    "list_log_ins",
    "list_sessions",
    "list_tenants",
    "list_usage",
    "list_users",
    "log_in",
    "log_out",
    "may",
    "new_backup_codes",
    "owner_of",
    "record_usage",
    "remove_totp",
    "requests_in_last_hour",
    "require",
    "resume",
    "revoke_api_key",
    "set_password",
    "set_tenant_active",
    "set_user_active",
]
