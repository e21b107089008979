"""The audit log: one line per request in a hash chain, without content.

line.py       what a line holds and how it is hashed
keys.py       the keyed hashes of users and of thinking
segments.py   the files; tail.py: where the last one continues
log.py        the one writer's side: append, close, retire, erase
writer.py     many requests, one writer; housekeeping
auditor.py    what the service calls
anchors.py    witnesses in the store
reading.py    every line in its place; chain.py: does it fit; verify.py: the proof
erasure.py    one user's lines; requests.py: asking a running service to erase them
commands.py   what the command line calls
"""
