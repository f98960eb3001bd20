"""Mayne, Yang & Mahdi (2024, arXiv 2411.08790): can an SAE decompose a steering vector?"""
