"""Understanding deep learning requires rethinking generalization (Zhang et al., ICLR 2017): networks that fit anything."""
