"""What the stages measure and the reporter shows: every JSON file that services exchange, one module per kind.

An undefined value (recall over no rows, a rate over no time) is None, never 0.
Durations are in milliseconds, sizes in bytes, rates in tokens per second, shares 0..1.
"""
