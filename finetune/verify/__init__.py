"""Proves exports: adapters and whole models, as llama.cpp runs them, against what was trained."""

from finetune.verify.adapter import Prompt, Report, choose_prompts
from finetune.verify.prove import prove_adapter

__all__ = ["Prompt", "Report", "choose_prompts", "prove_adapter"]
