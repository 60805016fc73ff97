"""Where jobs run. Launchers know functions and messages, not training."""
