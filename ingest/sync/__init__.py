"""Folders of files and a library that is kept in step with them."""
