"""Why: prices, questions, alternatives, what drives an order."""
