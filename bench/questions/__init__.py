"""The questions, in the order in which they are asked."""

from bench.question import Question
from bench.questions import b1_read, e1_pools, h1_start, h2_migrations, i1_pool, j1_api_keys, s1_sqlite_writers

QUESTIONS: tuple[Question, ...] = (
    h1_start.QUESTION,
    h2_migrations.QUESTION,
    b1_read.QUESTION,
    e1_pools.QUESTION,
    i1_pool.QUESTION,
    j1_api_keys.QUESTION,
    s1_sqlite_writers.QUESTION,
)
