"""The models that answer: none (extractive), in this process (local), behind an API (chat)."""
