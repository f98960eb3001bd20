"""Yang, Bean, McCraith & Mahdi (2024, arXiv 2408.07888): does the order of questions matter?"""
