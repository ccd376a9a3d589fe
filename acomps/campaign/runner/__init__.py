"""The runner of campaigns: from a definition and a store to simulations that ran, exactly once, and what they found."""
