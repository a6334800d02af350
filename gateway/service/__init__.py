"""The composition root: processes, sockets, reload, drain. All else is handed what it needs from here."""
