"""HTTP: the public link and the partner's API. Reads requests, asks the ledger, answers; decides nothing."""
