"""DKIM: whether a signed mail may be edited, and signing what was edited (RFC 6376, RFC 8301, RFC 8463).

Nothing here looks at a clock, reads a file or asks the DNS. Keys come as the bytes of their files, a mail as
its bytes; what goes out is header fields. Signatures of others are never verified: whether an edit breaks one
is known without that.
"""
