"""Published experiments as sweeps: what R prints of them is what the analysis has to find.

A block, a subject or a plot is a seed; a treatment is a cell. The yields stand in the place of test
accuracies.
"""

import pandas as pd

#: MASS's npk (Venables and Ripley): block, N, P, K and the yield of peas in pounds a plot.
NPK = [
    (1, 0, 1, 1, 49.5), (1, 1, 1, 0, 62.8), (1, 0, 0, 0, 46.8), (1, 1, 0, 1, 57.0),
    (2, 1, 0, 0, 59.8), (2, 1, 1, 1, 58.5), (2, 0, 0, 1, 55.5), (2, 0, 1, 0, 56.0),
    (3, 0, 1, 0, 62.8), (3, 1, 1, 1, 55.8), (3, 1, 0, 0, 69.5), (3, 0, 0, 1, 55.0),
    (4, 1, 0, 0, 62.0), (4, 1, 1, 1, 48.8), (4, 0, 0, 1, 45.5), (4, 0, 1, 0, 44.2),
    (5, 1, 1, 0, 52.0), (5, 0, 0, 0, 51.5), (5, 1, 0, 1, 49.8), (5, 0, 1, 1, 48.8),
    (6, 1, 0, 1, 57.2), (6, 1, 1, 0, 59.0), (6, 0, 1, 1, 53.2), (6, 0, 0, 0, 56.0),
]  # fmt: skip

#: ToothGrowth (Crampton 1947): length of teeth by supplement and dose in mg a day, ten animals
#: each.
TEETH = {
    ("VC", 0.5): [4.2, 11.5, 7.3, 5.8, 6.4, 10, 11.2, 11.2, 5.2, 7],
    ("VC", 1.0): [16.5, 16.5, 15.2, 17.3, 22.5, 17.3, 13.6, 14.5, 18.8, 15.5],
    ("VC", 2.0): [23.6, 18.5, 33.9, 25.5, 26.4, 32.5, 26.7, 21.5, 23.3, 29.5],
    ("OJ", 0.5): [15.2, 21.5, 17.6, 9.7, 14.5, 10, 8.2, 9.4, 16.5, 9.7],
    ("OJ", 1.0): [19.7, 23.3, 23.6, 26.4, 20, 25.2, 25.8, 21.2, 14.5, 27.3],
    ("OJ", 2.0): [25.5, 26.4, 22.4, 24.5, 24.8, 30.9, 26.4, 27.3, 29.4, 23],
}

#: The published runs with a convolution: four knobs moved at once.
PUBLISHED = {
    "conv1": {
        "model.channels": 1,
        "model.hidden_size": 1000,
        "model.fc_depth": 2,
        "train.epochs": 20,
    },
    "conv30": {
        "model.channels": 30,
        "model.hidden_size": 100,
        "model.fc_depth": 1,
        "train.epochs": 50,
    },
}


def npk() -> pd.DataFrame:
    return pd.DataFrame(NPK, columns=["block", "N", "P", "K", "yield"])
