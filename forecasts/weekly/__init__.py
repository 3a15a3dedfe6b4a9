"""The long range: levels, growth, joint futures."""
