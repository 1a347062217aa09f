"""The paper's experiments asked of a server, and one report of what came of them."""
