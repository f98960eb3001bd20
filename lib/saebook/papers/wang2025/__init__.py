"""Wang, Hu, Wang & Zou (2025, arXiv 2510.03659): does interpretability imply steering utility?"""
