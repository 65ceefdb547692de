"""The bench: measures spothive against its goals and its peers, for contributors; run by ``make bench``.

One file of ``questions/`` for each question. What is measured are the public functions of spothive with everything
switched on: row policies, guards, the audit trail, and a PostgreSQL that syncs. Every figure is a ratio of things that
were measured in turns within one run.
"""
