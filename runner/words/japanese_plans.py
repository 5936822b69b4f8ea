"""Why claims, metrics or a plan are refused, in Japanese."""

TEMPLATES = {
    # Claims and metrics.
    "metrics: {n} are more than {most_metrics}": (
        "metrics: {n} 個は多すぎます（{most_metrics} 個まで）"
    ),
    "{n} claims are more than {most_claims}, which one sweep may have: all of them share its 5 %": (
        "主張 {n} 個は多すぎます。一つの sweep には {most_claims} 個までで、"
        "5 % を全員で分け合います"
    ),
    "{where}.best_over={best_over}: allowed are other knobs than those of knob and at, each"
    " once; {knob} is not": (
        "{where}.best_over={best_over}: 使えるのは knob と at 以外のノブで、"
        "それぞれ一度だけです。{knob} は使えません"
    ),
    "{where}.chosen_on={chosen_on}: allowed is a metric of the validation images, such as"
    " final(val/accuracy); what is chosen on the images of the comparison is chosen by their"
    " luck, and on those of the training by how well they are learned by heart": (
        "{where}.chosen_on={chosen_on}: 使えるのは final(val/accuracy) のような検証画像の指標です"
        "。比べる画像で選ぶとその運で、訓練画像で選ぶと丸暗記の度合いで選んだことになります"
    ),
    "{where}.direction={direction}: allowed is less, greater or either": (
        "{where}.direction={direction}: 使えるのは less、greater、either です"
    ),
    "{where}.levels={levels}: allowed is a pair [a, b] of different levels": (
        "{where}.levels={levels}: 使えるのは、異なる水準の組 [a, b] です"
    ),
    "{where}.margin={margin}: allowed is a finite number from 0 on": (
        "{where}.margin={margin}: 使えるのは 0 以上の有限の数です"
    ),
    "{where}.minus={minus}: allowed is a metric of a curve": (
        "{where}.minus={minus}: 使えるのは曲線の指標です"
    ),
    "{where}.missing=worst: allowed with levels or winner and one metric; a run that diverged"
    " has no number for {asked}": (
        "{where}.missing=worst: levels か winner と、指標一つのときに使えます。"
        "発散した学習には {asked} の値がありません"
    ),
    "{where}.missing={missing}: allowed is {values}": (
        "{where}.missing={missing}: 使えるのは {values} です"
    ),
    "{where}.says={says}: allowed, for it and its name, is {text}": (
        "{where}.says={says}: 文にも名前にも使えるのは、{text}です"
    ),
    "{where}: allowed is EVALUATION/NAME, {evaluations} and a name of up to 60 letters, digits"
    " and _": (
        "{where}: 書き方は EVALUATION/NAME です。EVALUATION は {evaluations}、"
        "NAME は英数字と _ で 60 文字までです"
    ),
    "{where}: best_over (knobs) and chosen_on (what is best, such as final(val/accuracy)) are"
    " given together": (
        "{where}: best_over（ノブ）と chosen_on（何で最良を選ぶか。"
        "final(val/accuracy) など）は一緒に指定します"
    ),
    "{where}: every run records it; give yours another name": (
        "{where}: どの学習でも記録される名前です。別の名前にしてください"
    ),
    "{where}: give exactly one of {kinds}": "{where}: {kinds} のうちちょうど一つを指定してください",
    "{where}: {asked} has no meaning with metric=diverges, which is 1 for a run that diverged"
    " and else 0; leave it out": (
        "{where}: metric=diverges は発散した学習で 1、ほかは 0 なので、"
        "{asked} には意味がありません。省いてください"
    ),
    "{where}={path}: allowed is the import path of a function, such as mine.f1": (
        "{where}={path}: 使えるのは mine.f1 のような関数の import パスです"
    ),
    "{text}: allowed is {forms} or {last} with M one of {metrics}": (
        "{text}: 書き方は {forms}、{last} で、M は {metrics} のどれかです"
    ),
    "claims.{name}.best_over: {knob} is not swept, so there is no best level; sweep it"
    " ({knob}=...,...), or leave it out": (
        "claims.{name}.best_over: {knob} は動かされないので、最良の水準がありません。"
        "{knob}=...,... とするか、省いてください"
    ),
    "claims.{name}.chosen_on={chosen_on}: these runs hold no validation images out; add"
    " data.validation=5000 (of mnist; elsewhere a tenth of the training images)": (
        "claims.{name}.chosen_on={chosen_on}: この学習には検証画像がありません。"
        "data.validation=5000 を加えてください（mnist の場合。ほかでは訓練画像の 1 割）"
    ),
    "claims.{name}: no run of this sweep has the knob {knob}{hint}": (
        "claims.{name}: この sweep の学習にはノブ {knob} がありません{hint}"
    ),
    "metric {name} ({path}): {error}": "指標 {name}（{path}）: {error}",
    "metric {name} ({path}): it is no function": "指標 {name}（{path}）: 関数ではありません",
    "metric {name} ({path}): called with scores and labels: {error}": (
        "指標 {name}（{path}）: スコアとラベルで呼び出したところ {error}"
    ),
    "raised {error}": "{error} が起きました",
    "returned {value}": "{value} を返しました",
    "returned the key {key}; {allowed}": "キー {key} を返しました。{allowed}",
    "keys are of 1 to 60 letters, digits and _": "キーは英数字と _ で 1 〜 60 文字です",
    "there are no validation images": "検証画像がありません",
    "gave {told} for the same scores: may it draw random numbers?": (
        "同じスコアに {told} を返しました。乱数を使っていませんか"
    ),
    # The cells of a sweep.
    "{what}: the plan of so many runs needs about {needed} GB of memory, and {free} GB is free;"
    " sweep fewer values": (
        "{what}: この数の学習の計画にはメモリーが約 {needed} GB 要りますが、空きは {free} GB です。"
        "値を減らしてください"
    ),
    "leave sweep.design out (all cells)": "sweep.design を省く（すべてのセル）",
    "{asked}: allowed are 3 to {most} knobs of two levels, and not {n}": (
        "{asked}: 使えるのは、2 水準のノブ 3 〜 {most} 個のときです（今は {n} 個）"
    ),
    "{asked}: sweep.resolution={resolution} needs all {needed} cells of these {n} knobs; leave"
    " sweep.design out, or give a lower resolution (from 3 on)": (
        "{asked}: ノブ {n} 個で sweep.resolution={resolution} とするには {needed} "
        "セルすべてが要ります。sweep.design を省くか、もっと低い resolution"
        "（3 以上）にしてください"
    ),
    "sweep.n_cells={n_cells}: these {n} knobs have {all} cells in all; leave sweep.design out": (
        "sweep.n_cells={n_cells}: ノブ {n} 個のセルは全部で {all} です。"
        "sweep.design を省いてください"
    ),
    "sweep.n_cells={n_cells}: {n} knobs do not reach sweep.resolution={resolution} in {n_cells}"
    " cells, the fewest are {needed}; give {instead}, or a lower resolution (from 3 on)": (
        "sweep.n_cells={n_cells}: ノブ {n} 個では {n_cells} セルで sweep.resolution={resolution} "
        "に届きません（最小は {needed} セル）。{instead}、またはもっと低い resolution"
        "（3 以上）にしてください"
    ),
    "sweep.around: {key} is not swept; swept are {swept}{hint}": (
        "sweep.around: {key} は動かされません。動かされるのは {swept} です{hint}"
    ),
    "sweep.around: {key}={level} is none of the levels swept ({levels})": (
        "sweep.around: {key}={level} は動かされる水準（{levels}）にありません"
    ),
    "sweep.around={around}: allowed with sweep.design={one_at_a_time} alone, and it is {design}": (
        "sweep.around={around}: 使えるのは sweep.design={one_at_a_time} のときだけです"
        "（今は {design}）"
    ),
    "sweep.n_cells={n_cells}: allowed with sweep.design={fraction} alone, and it is {design}": (
        "sweep.n_cells={n_cells}: 使えるのは sweep.design={fraction} のときだけです"
        "（今は {design}）"
    ),
    "sweep.design={design}: sweep.cells lists the cells already; allowed is one of the two": (
        "sweep.design={design}: セルはすでに sweep.cells に挙げられています。"
        "どちらか一方にしてください"
    ),
    "sweep.design={one_at_a_time}: no knob is swept; give one or more their levels, such as"
    " model.dropout=true,false": (
        "sweep.design={one_at_a_time}: 動かされるノブがありません。"
        "model.dropout=true,false のように水準を並べてください"
    ),
    "{key}: {where} gives it, and it is given for all cells too; leave one out": (
        "{key}: {where} にも、全セルにも指定されています。一方を省いてください"
    ),
    "{key}={values}: with sweep.design={fraction} a knob has two levels, and this one has {n}": (
        "{key}={values}: sweep.design={fraction} のノブは 2 水準です（これは {n} 水準）"
    ),
    "{knob}: both of its levels are {levels}; with sweep.design={fraction} a knob has two": (
        "{knob}: 水準が両方とも {levels} です。sweep.design={fraction} のノブは 2 水準です"
    ),
    "{knob}: has no effect in the cell {others}; with sweep.design={fraction} every knob needs"
    " one in every cell: leave it out, or sweep the grid": (
        "{knob}: セル {others} では効果がありません。"
        "sweep.design={fraction} ではどのノブもすべてのセルで効く必要があります。省くか、"
        "全組み合わせにしてください"
    ),
    "{where}: {word}: allowed are knobs of a run, without its seed": (
        "{where}: {word}: 使えるのは、シード以外の学習のノブです"
    ),
    # Looks.
    "sweep.max_seeds={max_seeds}: the first look has {n} seeds, and the second {twice}; give"
    " {twice} or more, or sweep.seeds=fixed": (
        "sweep.max_seeds={max_seeds}: 1 回目の判定は {n} シード、2 回目は {twice} シードです。"
        "{twice} 以上にするか、sweep.seeds=fixed としてください"
    ),
    "there are no {n} seeds after {last}": "{last} の後に {n} 個のシードはありません",
    "{typed}: there is no claim to decide; sweep a knob, or a file of sweeps/": (
        "{typed}: 判定する主張がありません。ノブか sweeps/ のファイルを指定してください"
    ),
    "{typed}: {error}; give smaller seeds": "{typed}: {error}。もっと小さいシードにしてください",
    "{typed}: {n} seeds decide nothing; leave seed= out, or give {fewest} seeds or more": (
        "{typed}: {n} シードでは何も決まりません。seed= を省くか、{fewest} シード以上にしてください"
    ),
    # Sizes.
    "model.blocks={blocks}: {n} blocks halve the {height}x{width} images to nothing; at most"
    " {most} blocks are allowed": (
        "model.blocks={blocks}: ブロック {n} 個で半分にしていくと {height}x{width} の画像がなくな"
        "ります。使えるのは {most} 個までです"
    ),
    "model=cnn: takes images of shape (channels, height, width), and those of {name} have"
    " {image_shape}; take model=mlp, or data of another shape": (
        "model=cnn: 画像の形は（チャネル、高さ、幅）です。{name} の画像は {image_shape} なので、"
        "model=mlp にするか、別の形のデータにしてください"
    ),
    "train.batch_size={batch_size}: allowed is an integer from 1 to {n_train}, the number of"
    " training images": (
        "train.batch_size={batch_size}: 使えるのは、1 から訓練画像の枚数 {n_train} までの整数です"
    ),
    "about {needed} GiB, and {free} GiB is free": "およそ {needed} GiB（空きは {free} GiB）",
    "lower {names}": "{names} を小さくする",
    "runner.workers={n}: {told}; {fitting} fit: runner.workers={fitting}, or {lower}": (
        "runner.workers={n}: {told}。{fitting} なら収まります。"
        "runner.workers={fitting} とするか、{lower}必要があります"
    ),
    "the {n} largest runs need together {told}": (
        "大きいほうから {n} 回の学習で合わせて{told}要ります"
    ),
    "{fitting} of {n} workers are started: {told}": (
        "{n} ワーカーのうち {fitting} だけを起動します。{told}"
    ),
    "{name}: training it needs {told}; {lower}": (
        "{name}: 学習に{told}要ります。{lower}必要があります"
    ),
    "{name}: its worker needs about {needed} GiB of addresses, and ulimit -v {limit} leaves it"
    " {left}: ulimit -v {addresses}, or more, or {lower}": (
        "{name}: ワーカーにはアドレス空間がおよそ {needed} GiB 要りますが、"
        "ulimit -v {limit} では {left} GiB です。ulimit -v {addresses} 以上とするか、"
        "{lower}必要があります"
    ),
    "ulimit -v {limit} leaves a process {left} MB of addresses, and this command needs {needed}"
    " MB: ulimit -v {enough}, or more, or unlimited": (
        "ulimit -v {limit} ではアドレス空間が {left} MB ですが、"
        "このコマンドには {needed} MB 要ります。"
        "ulimit -v {enough} 以上か unlimited にしてください"
    ),
    "runner.root={root}: {refused}; nothing was written": (
        "runner.root={root}: {refused}。何も書いていません"
    ),
    "{nearest} is not a folder": "{nearest} はフォルダではありません",
    # The kept plan.
    "{name}: its model lay in runner/models, as models of one's own did in version 1;"
    " docs/own.md says where they lie now": (
        "{name}: このモデルは版 1 の自作モデルと同じく runner/models にありました。"
        "今の置き場所は docs/own.md にあります"
    ),
    "{name}: its plan has another run key than its configuration; delete that sweep.json and"
    " type the command again": (
        "{name}: 計画と設定で学習のキーが異なります。その sweep.json を消して、"
        "コマンドをもう一度打ってください"
    ),
    "{name}: the code changed since this sweep was planned; type the command again": (
        "{name}: この sweep の計画の後でコードが変わりました。コマンドをもう一度打ってください"
    ),
    # While a sweep of many cells is planned.
    "composing {n} cells": "{n} セルの設定を組み立てます",
    "{n} of {all} cells composed": "{all} セルのうち {n} セルを組み立てました",
    "{n} of {all} cells planned": "{all} セルのうち {n} セルを計画しました",
}
