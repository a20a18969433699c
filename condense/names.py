"""The names of what is built in, as types, which editors complete; configurations take other texts too, and check them."""

from typing import Literal

DatasetName = Literal["digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"]
LearningName = Literal["dc", "dsa", "dm", "dance", "tgdd", "ncfm", "idc", "dream", "frepo", "mtt", "tesla", "datm"]
SelectingName = Literal["random", "random-soft", "herding", "k-center", "kmeans", "forgetting", "el2n", "grand"]
MethodName = Literal[LearningName, SelectingName]
NetworkName = Literal["MLP", "ConvNet", "LeNet", "AlexNet", "AlexNetBN", "VGG11", "VGG11BN", "ResNet18", "ResNet18BN"]
"""The usual ones; `condense networks` lists all."""
ProtocolName = Literal["published", "report", "dsa", "idc"]
ScheduleName = Literal["published", "fast"]
PrecisionName = Literal["auto", "fp32", "tf32", "mixed"]
