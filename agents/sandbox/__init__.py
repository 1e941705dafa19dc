"""Running programs where they can do no harm: under bubblewrap, or Landlock and seccomp where that is missing.

Everything here but `tools` needs the standard library alone: parts of it run by themselves, around and in the sandbox.
"""
