"""Fixed orders, judged on futures."""
