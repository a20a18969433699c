"""placeholder"""


def augment(x, operations, draws):
    return x
