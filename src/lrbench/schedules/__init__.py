"""Learning-rate schedules: pure functions of the step, standard library only."""
