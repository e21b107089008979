"""The contract between the stages: config, store, sessions, markers, stage runner, CLI."""
