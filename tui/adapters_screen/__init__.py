"""The screen of adapters: their cards, checking one again, and blending several into the open chat."""
