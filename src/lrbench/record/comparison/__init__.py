"""Two records side by side: which facts differ, and what broke first."""
