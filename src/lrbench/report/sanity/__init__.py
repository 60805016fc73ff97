"""What about results should not be believed without a second look: flags, each with its evidence."""
