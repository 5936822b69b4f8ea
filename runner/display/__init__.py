"""What a person sees while a sweep trains and at its end."""
