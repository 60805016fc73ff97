"""Records and statistics made into frames, tables and sentences. The only home of pandas."""
