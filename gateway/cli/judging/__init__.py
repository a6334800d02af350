"""What ``careerrelay rules test``, ``eval``, ``explain`` ... are made of: verdicts on mails in files."""
