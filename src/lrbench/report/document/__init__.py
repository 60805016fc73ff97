"""A report as blocks of text, tables and pictures, and the formats it is written in."""
