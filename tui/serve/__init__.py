"""`fireside serve`: the model over HTTP, in the shapes of OpenAI's API."""
