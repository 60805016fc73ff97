"""What is trained: one file a model, one law for their first weights, one list of them all."""
