"""Logs of many runs brought together, arm by arm: what curves and heat maps are made of."""
