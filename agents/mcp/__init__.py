"""Tools from other programs, and Fireside's own for them, over the Model Context Protocol (MCP)."""
