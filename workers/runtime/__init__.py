"""The frame that steps run in: context, outcomes, pacing, messages."""
