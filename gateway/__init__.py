"""CareerRelay gateway: an SMTP relay that puts a referral link of the recipient's own into rejection mails."""
