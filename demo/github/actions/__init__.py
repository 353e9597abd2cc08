"""What happens on this GitHub: the same methods serve the API, the pages, the story and the tests."""
