"""What ``careerrelay rewrite`` is made of: one mail, a tree of mails, and how both are shown."""
