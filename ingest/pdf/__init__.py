"""PDF files become pages: text extraction, OCR and page images, each in a process with limits."""
