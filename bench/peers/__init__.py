"""What spothive is measured against, each used as its own documentation advises."""
