"""Other people's schedules as lrbench schedules; each file knows one library."""
