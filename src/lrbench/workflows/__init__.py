"""The verbs as functions: each command calls one of them. No printing, no parsing."""
