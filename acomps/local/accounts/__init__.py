"""Who may use the service: users and their passwords, what they see, and how logins are slowed down."""

__all__: list[str] = []
