"""The document that a first visitor can try: Pagewise, about itself."""
