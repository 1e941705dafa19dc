"""A decoder's forward and backward pass for LoRA on the CPU, with fewer passes over memory than PyTorch's autograd."""
