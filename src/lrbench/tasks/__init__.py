"""What is trained: data, models and losses. No loop, no optimizer, no schedule."""
