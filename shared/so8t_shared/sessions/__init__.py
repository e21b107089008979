"""How processes that never talk to each other agree: a session's markers, and the artifacts that it uses."""
