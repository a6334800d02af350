"""The other programs of a test: scripted SMTP peers, a real Postfix, and the gateway as a process.

`scripted`: a next hop that misbehaves on cue and records byte for byte. `client`: a sender that may break
every rule. `postfix`: the real thing, in a folder of its own. `gateway`: ``careerrelay serve`` as a
subprocess. None of them imports the package under test, so that a fault in it can't hide itself.
"""
