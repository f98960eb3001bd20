"""He et al. (2024, Llama Scope, arXiv 2410.20526): do base-model SAEs carry over?"""
