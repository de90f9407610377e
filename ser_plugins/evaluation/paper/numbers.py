"""The paper's own numbers, as printed, and where they contradict each other.

Xu, Liu, Song, Liang & Chen, *A New Network Structure for Speech Emotion Recognition Research*, Sensors 2024, 24, 1429.
Percent, unless a score is a number by nature. Keys are the names of our systems, classes, settings and scores.
"""

# Table 6, with Table 3 for the numbers of heads that Table 6 leaves out. "Our Method" is bigru_mha.
ACCURACY = {
    "EmoDB": {
        "cnn": 70.58, "lstm": 77.73, "rnn": 79.91, "cnn_lstm": 83.79, "bigru": 83.22, "self_attention": 82.91,
        "bigru_self_attention": 84.58, "mha": 83.37, "bigru_mha": 88.93,
        "bigru_mha_4": 84.66, "bigru_mha_16": 86.81, "bigru_mha_32": 85.03,
    },
    "IEMOCAP": {
        "cnn": 69.80, "lstm": 70.10, "rnn": 70.22, "cnn_lstm": 72.17, "bigru": 71.01, "self_attention": 71.87,
        "bigru_self_attention": 73.21, "mha": 72.13, "bigru_mha": 75.04,
        "bigru_mha_4": 74.47, "bigru_mha_8": 73.89, "bigru_mha_32": 73.32,
    },
}  # fmt: skip
# The systems of Table 6 in its order and words.
METHODS = {
    "cnn": "CNN", "lstm": "LSTM", "rnn": "RNN", "cnn_lstm": "CNN + LSTM", "bigru": "Bi-GRU",
    "self_attention": "Self-Attention", "bigru_self_attention": "Bi-GRU + Self-Att", "mha": "Multi-head Attention",
    "bigru_mha": "Our Method",
}  # fmt: skip
MAIN, WITHOUT_ATTENTION, HEADS = "bigru_mha", "bigru", (32, 16, 8, 4)

PER_EMOTION = 50  # Table 1: of every emotion, in both corpora

# Table 2.
HYPERPARAMETERS = {
    "EmoDB": {
        "lr": 1e-4, "batch_size": 32, "attention_dropout": 0.2, "heads": 8, "dropout": 0.2, "number_of_epochs": 80,
    },
    "IEMOCAP": {
        "lr": 1e-5, "batch_size": 32, "attention_dropout": 0.2, "heads": 16, "dropout": 0.3, "number_of_epochs": 100,
    },
}  # fmt: skip

# Table 4.
OVERALL = {
    "EmoDB": {"precision": 74.57, "accuracy": 88.93, "recall": 80.20},
    "IEMOCAP": {"precision": 83.33, "accuracy": 75.04, "recall": 70.20},
}

# Table 5, its two columns exchanged: as printed, IEMOCAP would have fear, disgust and boredom, and EmoDB would not.
PER_CLASS = {
    "EmoDB": {
        "neutral": 80.25, "anger": 97.11, "happiness": 74.75, "sadness": 83.21, "fear": 95.74, "disgust": 92.34,
        "boredom": 95.55,
    },
    "IEMOCAP": {"neutral": 86.64, "anger": 65.50, "happiness": 55.05, "sadness": 88.64},
}  # fmt: skip

# Table 7; MAE and Corr (r) are numbers. F1 is printed without a percent sign.
SENTIMENT = {
    "CH-SIMS": {"Acc2": 72.43, "F1": 71.97, "MAE": 0.648, "r": 0.524, "Acc5": 30.19},
    "MOSI": {"Acc2": 70.29, "F1": 70.31, "MAE": 0.974, "r": 0.613, "Acc5": 32.12},
}

# Section 4: Bi-GRU + multi-head attention against Bi-GRU, (F, degrees of freedom between and within), p < 0.05.
ANOVA = {"EmoDB": (10.0243, 1, 698), "IEMOCAP": (8.4174, 1, 198)}

CONFUSION_FIGURE = {"IEMOCAP": 2, "EmoDB": 3}
