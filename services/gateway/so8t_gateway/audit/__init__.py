"""The audit log: one line per request in a hash chain, without content.

line.py       what a line holds and how it is hashed
keys.py       the keyed hashes of users and of thinking
segments.py   the files
log.py        the one writer's side: append, close, retire, erase
writer.py     many requests, one writer
anchors.py    witnesses in the store
verify.py     the proof
erasure.py    one user's lines
"""
