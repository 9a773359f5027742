"""A PDF becomes passages: load → split → embed → library. Knows nothing of questions, models or screens."""
