"""What the stages measure and the reporter shows: every JSON file that services exchange, a module for each kind.

A value that is not defined (a recall without a single row, a rate over no time) is None, never 0.
Durations are milliseconds, sizes bytes, rates tokens per second, shares 0..1.
"""
