"""Prompts as text: templates, rendering, and score formats."""
