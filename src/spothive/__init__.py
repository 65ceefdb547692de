"""spothive: the system of record for AWS spot fleets of many tenants.

Start with :mod:`spothive.database`; every public name a service needs is there.
"""
