"""SMTP out: one next hop is a list of hosts behind a pool of connections (SMTP.md rules 1, 2, 4, 7 to 10).

`Pool` is the `NextHop` of the transaction layer and gives out `OutboundTransaction`, its `Outbound`.
aiosmtplib connects, greets, starts TLS and logs in (`connect`); everything after that is octets of our own
(`connection`).
"""
