"""The chapter's experiments on the paper's own models: SAEs trained there, scored and steered."""
