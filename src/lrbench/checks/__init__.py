"""What a schedule really does, held against what it says it does."""
