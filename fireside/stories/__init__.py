"""Stories: a manuscript on a branching timeline, its memory and author's note, written with a model's help."""
