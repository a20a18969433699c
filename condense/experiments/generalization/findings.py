"""What the paper and the reproduction report found, in words, for the pages: only what their texts say."""

PAPER = "Zhang, Bengio, Hardt, Recht, Vinyals: Understanding deep learning requires rethinking generalization, ICLR 2017"
REPORT = "Clevorn, Fonseca, Matsuo, Mayolet: EE-411 Reproducibility Challenge, EPFL 2024"

FINDINGS = {
    "fig1a": (
        "The paper: Inception fits every version of the training set, random labels and random pixels too, with the same "
        "settings; it only takes longer.",
        "The report: similar losses at first, but some runs did not converge at all.",
    ),
    "fig1b": (
        "The paper: the time to fit grows with the share of corrupted labels, by a small factor.",
        "The report called its own figure invalid: it stopped every run at 40 epochs, which for most shares is before the "
        "run has fitted. A stopped run's ratio is 40 divided by the epochs at p = 0, so the network quickest on true labels "
        "gets the largest ratio, whatever it would have taken: the order of the curves says nothing. Here such points are "
        "lower bounds, and drawn as such.",
    ),
    "fig1c": (
        "The paper: the test error after fitting rises with the share of corrupted labels to that of guessing, 90 %.",
        "The report: the same, MLP above AlexNet above Inception.",
    ),
    "fig2a": (
        "The paper: regularisers help, but networks generalise without them too.",
        "The report (all of CIFAR-10, one run each): 87.2 % without regularisers and 88.9 % with weight decay after 50 "
        "epochs; with augmentation and dropout not converged after 100.",
    ),
    "fig2b": (
        "The paper: BatchNorm makes training smoother and improves the test accuracy a little.",
        "The report: BatchNorm in the downsample modules only costs about 2 points; without any, the network stayed at "
        "10 %, at chance. Here it is trained at a smaller rate too.",
    ),
    "table1": (
        "The paper: all networks reach training accuracies near 100 %, with regularisers, without, and on random labels.",
        "The report does not give this table.",
    ),
}
