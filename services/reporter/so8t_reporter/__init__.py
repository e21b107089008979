"""What was measured, for people and programs: report, charts, JSON, JUnit."""
