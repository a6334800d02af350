"""Commands for whoever runs the gateway: how it is, what became of a mail, whether all is as it should be."""
