"""What restarts did, from the ledgers of records: read, described, told."""
