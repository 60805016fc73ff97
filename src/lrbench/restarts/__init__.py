"""What a warm restart does, and what it did."""
