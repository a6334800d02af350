"""What the commands on credit share."""
