"""Li et al. (2025, FAST, arXiv 2506.07691): what text should an SAE for an instruct model see?"""
