"""The screen of evaluations: tables of scores, two runs side by side, and the items that failed."""
