"""The vocabulary of SMTP: commands, paths, parameters, replies, capabilities, content, the fold.

Values and sans-I/O parsers only. Everything is bytes as it stood on the wire; nothing is decoded,
re-quoted or re-cased on its way through (RFC 5321, and SMTP.md of the project).
"""
