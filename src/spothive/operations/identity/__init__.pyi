from .acting import find_actor
from .api_key_use import (
    EndpointUsage,
    KeyHolder,
    check_api_key,
    list_usage,
    record_usage,
    requests_in_last_hour,
)
from .api_keys import create_api_key, list_api_keys, owner_of, revoke_api_key
from .invitations import accept_invitation, invite, list_invitations, withdraw_invitation
from .open_sessions import end_other_sessions, end_session, list_sessions
from .passwords import (
    change_password,
    make_reset_token,
    request_password_reset,
    reset_password,
    set_password,
)
from .people import (
    accounts_of,
    create_user,
    delete_user,
    find_user,
    list_users,
    set_role,
    set_user_active,
)
from .permissions import ALLOWED, Action, may, require
from .second_factor import (
    TotpSetup,
    begin_totp,
    confirm_totp,
    disable_totp,
    new_backup_codes,
    remove_totp,
)
from .sessions import end_sessions, log_out, resume
from .sign_in import SignedIn, list_log_ins, log_in
from .tenants import create_tenant, list_tenants, register_client, set_tenant_active
from .transfers import transfer_accounts

__all__ = [
    "ALLOWED",
    "Action",
    "EndpointUsage",
    "KeyHolder",
    "SignedIn",
    "TotpSetup",
    "accept_invitation",
    "accounts_of",
    "begin_totp",
    "change_password",
    "check_api_key",
    "confirm_totp",
    "create_api_key",
    "create_tenant",
    "create_user",
    "delete_user",
    "disable_totp",
    "end_other_sessions",
    "end_session",
    "end_sessions",
    "find_actor",
    "find_user",
    "invite",
    "list_api_keys",
    "list_invitations",
    "list_log_ins",
    "list_sessions",
    "list_tenants",
    "list_usage",
    "list_users",
    "log_in",
    "log_out",
    "make_reset_token",
    "may",
    "new_backup_codes",
    "owner_of",
    "record_usage",
    "register_client",
    "remove_totp",
    "request_password_reset",
    "requests_in_last_hour",
    "require",
    "reset_password",
    "resume",
    "revoke_api_key",
    "set_password",
    "set_role",
    "set_tenant_active",
    "set_user_active",
    "transfer_accounts",
    "withdraw_invitation",
]
