"""The one orchestrator: a mail from its envelope to one reply, through ports to the next hop and the ledger."""
