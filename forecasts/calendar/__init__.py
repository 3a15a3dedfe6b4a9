"""Days that are not like others: holidays and known events."""
