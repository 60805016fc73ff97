"""What about results should not be believed at once: flags, each with its evidence."""
