"""The one orchestrator: a mail from its envelope to one reply.

The next hop, the ledger and the log are reached through ports.
"""
