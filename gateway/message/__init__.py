"""From the bytes of a mail to spans and text, and from edits back to bytes.

Pure: no clock, no randomness, no file and no socket. Nothing here changes a mail by itself: `scan` finds
where things are, `read_text` what they say, `exemption` whether the mail must be left alone, and `splice`
applies edits that somebody else decided on. Every function takes hostile input: bounded, in linear time,
with a named defect or one of the errors of `gateway.errors` as the worst outcome.
"""
