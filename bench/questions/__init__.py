"""The questions, in the order in which they are asked."""

from bench.question import Question
from bench.questions import (
    a1_first_sync,
    a2_second_sync,
    a3_nothing_changed,
    a4_beside_others,
    a5_sqlite_sync,
    b1_read,
    c1_queue,
    c2_claim,
    d1_audited_changes,
    d2_sealing,
    e1_pools,
    f1_savings,
    g1_disconnect,
    h1_start,
    h2_migrations,
    i1_pool,
    j1_api_keys,
    s1_sqlite_writers,
)

QUESTIONS: tuple[Question, ...] = (
    a1_first_sync.QUESTION,
    a2_second_sync.QUESTION,
    a3_nothing_changed.QUESTION,
    a4_beside_others.QUESTION,
    a5_sqlite_sync.QUESTION,
    b1_read.QUESTION,
    c1_queue.QUESTION,
    c2_claim.QUESTION,
    d1_audited_changes.QUESTION,
    d2_sealing.QUESTION,
    e1_pools.QUESTION,
    f1_savings.QUESTION,
    g1_disconnect.QUESTION,
    h1_start.QUESTION,
    h2_migrations.QUESTION,
    i1_pool.QUESTION,
    j1_api_keys.QUESTION,
    s1_sqlite_writers.QUESTION,
)
