"""What the ledger means, apart from where it is kept: who is one person, who may send what is owed. Pure."""
