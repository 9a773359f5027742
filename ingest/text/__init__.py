"""Text analysis: sentences, tables, headings, running headers, search tokens and normalization."""
