"""Identity: who may do what, tenants, their people, and how people and programs sign in."""

from spothive.operations.identity.acting import find_actor
from spothive.operations.identity.people import create_user, find_user, list_users, set_password, set_user_active
from spothive.operations.identity.permissions import ALLOWED, Action, may, require
from spothive.operations.identity.tenants import create_tenant, list_tenants, set_tenant_active

__all__ = [
    "ALLOWED",
    "Action",
    "create_tenant",
    "create_user",
    "find_actor",
    "find_user",
    "list_tenants",
    "list_users",
    "may",
    "require",
    "set_password",
    "set_tenant_active",
    "set_user_active",
]
