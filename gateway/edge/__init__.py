"""SMTP in: sessions on aiosmtpd's plumbing, with a transaction of our own (PITFALLS.md says why)."""
