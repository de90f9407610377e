"""A model behind HTTP: requests within bounds, batches of concurrent ones, and a page for the browser."""
