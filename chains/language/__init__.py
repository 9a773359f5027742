"""What words mean without a model: languages, names, numbers, trends, finance terms."""
