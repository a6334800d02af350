"""Where the link goes in a mail, what it says there, and how it is encoded. Pure: no I/O."""
