"""The questions, in the order in which they are asked."""

from bench.question import Question
from bench.questions import h1_start, h2_migrations

QUESTIONS: tuple[Question, ...] = (h1_start.QUESTION, h2_migrations.QUESTION)
