"""What the business does: verbs, which run in the caller's transaction, and procedures, which open their own."""
