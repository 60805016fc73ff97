"""What torch's schedulers, and factories of them, do wrong."""
