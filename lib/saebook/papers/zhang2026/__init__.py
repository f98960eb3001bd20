"""Zhang et al. (2026): can an SAE foresee what fine-tuning does to other domains?"""
