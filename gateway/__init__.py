"""CareerRelay gateway: an SMTP relay that puts a link of the recipient's own into rejection mails."""
