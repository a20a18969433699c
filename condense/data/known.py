"""The published sets by their content: which set, and which part of it, a fingerprint is of."""

_FINGERPRINTS = {
    "f726cc00b6ad2b78b5e49b1da5c0a156e94864a833421cac941292380653f653": ("mnist", "train"),
    "a3dac35ba8e3e0eb970dc66e66a66efecc421695af45a6c0f769f3c35357e0ef": ("mnist", "train"),
    "64d301e7c402740bb8948c406111d892992f5841999beb922e9db2e99c7300c8": ("mnist", "test"),
    "a51b9adc1f7269f9ed28c2d9b8363041a6b78901dbf14112a55face6fc69e851": ("mnist", "test"),
    "aeb9e839ca70eed910df01e3a4623717b900d77158b5a829788f0436c598862d": ("fashion-mnist", "train"),
    "65426613126ad0a2c635632429cfc9436630d8430183f1f0fed3b3cdb93e2499": ("fashion-mnist", "train"),
    "88f1b1c5dbb07c89482564d590bbb6d78aafd46257c81ac785a5e059648a210e": ("fashion-mnist", "test"),
    "123d31845bcf533d88842c763d5684a131998bc368355d6f0e30689cedeaae9a": ("fashion-mnist", "test"),
    "9f2e98e800a762a92a14ab07f48ec00c830a878bfcca04876f521b8dbaa23762": ("cifar10", "train"),
    "5bbb14bee2d96525bf1c073c5cb35ba168231ef0b8b96a589a0f835ca6a36cf9": ("cifar10", "train"),
    "8b50a38e754383ac2d9cc00cc32359bf96881b31db993bd47c1271a0722d2215": ("cifar10", "test"),
    "229edadba30d5e50c3d4da98aa22db73247b613afd85a72064a3b4e9d886f384": ("cifar10", "test"),
}


def known_as(fingerprint: str) -> tuple[str, str] | None:
    """(Name of the published set, 'train' or 'test') of a fingerprint, in its present or its former form; None otherwise."""
    return _FINGERPRINTS.get(fingerprint)
