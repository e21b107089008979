"""What the stages measure and the reporter shows: every JSON file that services exchange.

A module for each kind; `record.py` says in which units.
"""
