"""The measurements, for people and programs: report, charts, JSON, JUnit."""
