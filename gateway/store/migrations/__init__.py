"""Changes of the ledger's schema, one file each in ``versions``, run by Alembic (`gateway.store.migrate`)."""
