"""A config as an admin writes it, in pieces: those that want all of it take `SMALL`."""

ENDS = """
[gateway]
hostname = "gw.example.co.jp"
own_domains = ["example.co.jp"]
[[listen]]
port = 2525
networks = ["127.0.0.0/8"]
[next_hop]
hosts = ["127.0.0.1:2526"]
"""
SENDERS = '[rules]\nsenders = ["*@example.co.jp"]\n'
LINK = """[link]
url = "https://careerrelay.example/r/{token}"
opt_out = "https://careerrelay.example/o/{token}"
"""
LEDGER = '[ledger]\nurl = "sqlite:///ledger.db"\n'

#: Everything that has to be said, and whose mail it is. The ledger is in the config's folder.
SMALL = ENDS + SENDERS + LINK + LEDGER
