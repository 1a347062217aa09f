"""The page at ``/``: files that the browser runs, which ask the API like any other client."""
