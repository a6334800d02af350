"""The composition root: processes, sockets, reload, drain. Everything else is handed what it needs from here."""
