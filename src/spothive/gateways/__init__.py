"""The outside world, and a stand-in for each part of it.

A gateway speaks to something that spothive does not control: it reads what AWS prints, it calls AWS, it sends
mail. Beside every gateway lives its stand-in, which answers in the same shape without leaving the machine;
demos and tests use the stand-in, so there are no mocks. Gateways know neither the database nor the rules of
the business.
"""
