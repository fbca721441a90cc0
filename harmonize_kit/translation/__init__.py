"""Image-level harmonization: networks that change the images of one site into those of another.

The only room, but for the learned skull strip, that knows torch.
"""
