"""Trains the model that ships with spothive: a tool for contributors, run by ``make model``."""
