"""Whether lrbench's own schedules are right, and what a user's function does wrong."""
