"""Answers in tables: columns and cells."""
