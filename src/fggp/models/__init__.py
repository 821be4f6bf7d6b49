"""The two backbones, for square RGB images of 16 to 64 pixels."""

from fractions import Fraction

from torch import nn


def build(name: str, *, width: Fraction = Fraction(1), classes: int = 10) -> nn.Module:
    """Return a freshly initialised backbone, ``(B, 3, H, W) → (B, classes)`` raw logits.

    Args:
        name: "vgg19" or "resnet50".
        width: factor on every number of channels.
        classes: outputs of the classifier.

    """
    if name == "vgg19":
        from fggp.models.vgg import vgg19

        return vgg19(width, classes)
    from fggp.models.resnet import resnet50

    return resnet50(width, classes)
