"""The screens beside a story: outline, lorebook, summary, search, timeline, export; and the list of stories."""
