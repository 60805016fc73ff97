"""YAML and overrides to specifications. Only home of Hydra; no OmegaConf object leaves it."""
