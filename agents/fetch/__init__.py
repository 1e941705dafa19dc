"""Pages from the web, fetched so that nothing but the public internet can be reached."""
