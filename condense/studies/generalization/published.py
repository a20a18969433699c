"""The accuracies of the paper's Table 1."""

DATASET, TRAINING_IMAGES = "cifar10", 50_000
SOURCE = (
    "Zhang et al. (ICLR 2017), Table 1, as shown in MIT OpenCourseWare's 6.7960 Deep Learning (2024), lecture 6, slide 44 "
    "(https://ocw.mit.edu/courses/6-7960-deep-learning-fall-2024/mit6_7960_f24_lec6.pdf)"
)

# {network: {setting: (training %, test %)}}, with the digits that are printed.
TABLE_1 = {
    "small-inception": {
        "crop, weight decay": ("100.0", "89.05"),
        "crop": ("100.0", "89.31"),
        "weight decay": ("100.0", "86.03"),
        "none": ("100.0", "85.75"),
        "random labels": ("100.0", "9.78"),
    },
    "small-inception-nobn": {
        "weight decay": ("100.0", "83.00"),
        "none": ("100.0", "82.00"),
        "random labels": ("100.0", "10.12"),
    },
    "small-alexnet": {
        "crop, weight decay": ("99.90", "81.22"),
        "crop": ("99.82", "79.66"),
        "weight decay": ("100.0", "77.36"),
        "none": ("100.0", "76.07"),
        "random labels": ("99.82", "9.86"),
    },
    "mlp-3x512": {
        "weight decay": ("100.0", "53.35"),
        "none": ("100.0", "52.39"),
        "random labels": ("100.0", "10.48"),
    },
    "mlp-1x512": {
        "weight decay": ("99.80", "50.39"),
        "none": ("100.0", "50.51"),
        "random labels": ("99.34", "10.61"),
    },
}
