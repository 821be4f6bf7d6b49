"""What a pruning method is made of, and the pruner that applies it in any loop."""
