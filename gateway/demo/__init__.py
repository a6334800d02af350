"""`careerrelay demo`: a gateway, a next hop that keeps what it gets, and a handful of mails, all on loopback.

Stands above `gateway.service` and imports nothing of the gateway: it starts ``careerrelay serve`` as a user
would and looks at it from outside, so what is shown is what happens. `capture` is the next hop, `samples` the
mails, `difference` tells what became of one, `stage` runs it all, `page` makes it readable.
"""
