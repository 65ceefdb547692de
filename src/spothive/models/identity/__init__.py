"""Identity: tenants, the people in them, and how people and programs sign in."""

from spothive.models.identity.api_keys import ApiKey, ApiScope, ApiUsage
from spothive.models.identity.people import (
    STAFF_ROLES,
    Invitation,
    Role,
    Tenant,
    TokenPurpose,
    User,
    UserToken,
)
from spothive.models.identity.sign_ins import BackupCode, DeviceType, LoginHistory, LoginMethod, SessionLog

__all__ = [
    "STAFF_ROLES",
    "ApiKey",
    "ApiScope",
    "ApiUsage",
    "BackupCode",
    "DeviceType",
    "Invitation",
    "LoginHistory",
    "LoginMethod",
    "Role",
    "SessionLog",
    "Tenant",
    "TokenPurpose",
    "User",
    "UserToken",
]
