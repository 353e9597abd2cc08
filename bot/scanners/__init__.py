"""What looks at a change before it may go on, and the one form in which it tells."""
