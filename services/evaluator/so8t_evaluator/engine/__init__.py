"""Engines that answer prompts: one protocol and its implementations."""
