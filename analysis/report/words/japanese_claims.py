"""The sentences of the claims that ship in sweeps/, in Japanese."""

TEMPLATES = {
    "{this} changes test accuracy against {first}": "{this} のテスト精度は {first} と異なる",
    # sweeps/default.yaml
    "Dropout slows learning, as the book prints it (training accuracy with the masks on)": (
        "ドロップアウトは学習を遅らせる（本の表示どおり、マスクをかけた訓練精度）"
    ),
    "Dropout slows learning, measured without masks": (
        "ドロップアウトは学習を遅らせる（マスクを外して測った場合）"
    ),
    "Dropout delays 97 % test accuracy": "ドロップアウトはテスト精度 97 % への到達を遅らせる",
    "Dropout raises the final test accuracy": "ドロップアウトは最後のテスト精度を上げる",
    "Measuring with dropout left on, as the published script did, hides test accuracy that is"
    " there": (
        "公開されたスクリプトのようにドロップアウトをかけたまま測ると、テスト精度が本来より低く見える"
    ),
    "30 channels reach a higher final test accuracy than any other number tried": (
        "30 チャネルは、試したほかのどのチャネル数よりも最後のテスト精度が高い"
    ),
    # sweeps/hidden_size.yaml
    "1000 hidden units reach a lower final test accuracy than 100": (
        "隠れ層 1000 ユニットは 100 ユニットより最後のテスト精度が低い"
    ),
    "Final test accuracy rises with the hidden size": (
        "最後のテスト精度は隠れ層の大きさとともに上がる"
    ),
    "A second hidden layer raises the final test accuracy": (
        "二つ目の隠れ層は最後のテスト精度を上げる"
    ),
    # sweeps/normalization.yaml
    "Dividing pixels by 255 raises the final test accuracy": (
        "画素を 255 で割ると最後のテスト精度が上がる"
    ),
    "Dividing pixels by 255 speeds learning": "画素を 255 で割ると学習が速くなる",
    "30 channels reach a higher final test accuracy than 1 channel": (
        "30 チャネルは 1 チャネルより最後のテスト精度が高い"
    ),
    # sweeps/published.yaml
    "30 channels reach a higher final test accuracy than 1 channel, as published": (
        "公開された実験のとおり、30 チャネルは 1 チャネルより最後のテスト精度が高い"
    ),
    # sweeps/smoke.yaml
    "Dropout slows learning": "ドロップアウトは学習を遅らせる",
    # sweeps/ablation_table.yaml
    "Dropout contributes to the final test accuracy": (
        "ドロップアウトは最後のテスト精度に貢献する"
    ),
    "The convolution contributes to the final test accuracy": (
        "畳み込みは最後のテスト精度に貢献する"
    ),
    "The second hidden layer contributes to the final test accuracy": (
        "二つ目の隠れ層は最後のテスト精度に貢献する"
    ),
    "Dividing pixels by 255 contributes to the final test accuracy": (
        "画素を 255 で割ることは最後のテスト精度に貢献する"
    ),
    "Weight decay contributes to the final test accuracy": "重み減衰は最後のテスト精度に貢献する",
    # sweeps/fair_channels.yaml
    "30 channels reach a higher final test accuracy than 1, each at its own best learning rate": (
        "それぞれに最良の学習率で、30 チャネルは 1 チャネルより最後のテスト精度が高い"
    ),
    "30 channels reach a higher final test accuracy than 1, both at the learning rate 0.001": (
        "どちらも学習率 0.001 で、30 チャネルは 1 チャネルより最後のテスト精度が高い"
    ),
    # sweeps/screening.yaml
    "30 channels reach a higher final test accuracy than 8, on average": (
        "平均して、30 チャネルは 8 チャネルより最後のテスト精度が高い"
    ),
    "200 hidden units reach a higher final test accuracy than 100, on average": (
        "平均して、隠れ層 200 ユニットは 100 ユニットより最後のテスト精度が高い"
    ),
    "A second hidden layer raises the final test accuracy, on average": (
        "平均して、二つ目の隠れ層は最後のテスト精度を上げる"
    ),
    "Dropout raises the final test accuracy, on average": (
        "平均して、ドロップアウトは最後のテスト精度を上げる"
    ),
    "A learning rate of 0.002 changes the final test accuracy against 0.001, on average": (
        "平均して、学習率 0.002 の最後のテスト精度は 0.001 と異なる"
    ),
    "Weight decay raises the final test accuracy, on average": (
        "平均して、重み減衰は最後のテスト精度を上げる"
    ),
    "Batches of 50 images change the final test accuracy against batches of 100, on average": (
        "平均して、50 枚のバッチの最後のテスト精度は 100 枚のバッチと異なる"
    ),
}
