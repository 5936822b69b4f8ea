"""Why a claim cannot be decided, in Japanese."""

TEMPLATES = {
    "{reason}.": "{reason}。",
    # The knob.
    "{one} is the same configuration as {others}: nothing moves between the two": (
        "{one} は {others} と同じ設定で、両者のあいだで変わるものがありません"
    ),
    "{knob} was not varied: it is {value} in every run": (
        "{knob} は変えられていません。すべての学習で {value} です"
    ),
    "{knob} was not varied: it is {value} wherever it has an effect": (
        "{knob} は変えられていません。効果のあるところではすべて {value} です"
    ),
    "{knob} has no effect in any cell; what was varied is {varied}": (
        "{knob} はどのセルでも効果がありません。変えられたのは {varied} です"
    ),
    "no run depends on a knob {knob}; what was varied is {varied}": (
        "{knob} というノブによる学習はありません。変えられたのは {varied} です"
    ),
    "no cell has {wanted}": "{wanted} のセルがありません",
    "{none}; each knob was moved alone around the base": (
        "{none}。基準のまわりでノブを一つずつ動かしています"
    ),
    "no setting of the other knobs was run with every {knob}": (
        "ほかのノブのどの設定でも、{knob} のすべての値がそろっていません"
    ),
    "the functions without kernels": "専用カーネルのない関数",
    "cells are missing: no cell differs from {cells} in {knob} alone; add those cells, or hold the"
    " other knobs with the claim's `at`": (
        "セルが足りません。{cells} と {knob} だけが異なるセルがないので、それを足すか、"
        "主張の `at` でほかのノブを固定してください"
    ),
    "cells are missing: not every {knob} was run with {cell}": (
        "セルが足りません。{cell} ではすべての {knob} が学習されていません"
    ),
    "a slope on log2 needs positive numbers; {knob} has {given}": (
        "log2 に対する傾きには正の数が要りますが、{knob} は {given} です"
    ),
    "several knobs moved at once: between {first} and {second} also {moved}; their effects cannot"
    " be told apart": (
        "複数のノブが同時に変わっています。{first} と {second} のあいだでは {moved} も変わり、"
        "どれの効果か区別できません"
    ),
    # The runs.
    "a cell has two runs of one seed; plan each seed once": (
        "一つのシードの学習が二つあるセルがあります。シードは一度ずつ計画してください"
    ),
    "the cells were not planned with the same seeds, so they cannot be paired; train all of them"
    " with one list": (
        "セルによってシードが異なり、対にできません。すべて同じシードで学習してください"
    ),
    "one seed ({seed}) says nothing about other seeds; train at least 2, better 8": (
        "一つのシード（{seed}）では、ほかのシードについて何も言えません。少なくとも 2、"
        "できれば 8 シードで学習してください"
    ),
    "{n} of {all} runs {verb} ({names})": "{all} 回の学習のうち {n} 回が{verb}（{names}）",
    "are missing": "記録なし",
    "are running": "学習中",
    "{parts}: a mean over the others would hide this; a claim with `missing: worst` ranks them"
    " last, one about `diverges` counts them": (
        "{parts}。残りの平均ではこれが隠れます。`missing: worst` の主張は最下位に置き、"
        "`diverges` についての主張は数えます"
    ),
    "every run diverged, so that none is better than another": (
        "すべての学習が発散し、どれがよいとも言えません"
    ),
    "{parts}: a mean over the others would hide this; the same command trains the rest": (
        "{parts}。残りの平均ではこれが隠れます。同じコマンドで残りを学習します"
    ),
    "{what} differ within seed {seed} ({parts}), so more than {knob} differs between these runs;"
    " {advice}": (
        "シード {seed} のなかで{what}が異なるので（{parts}）、{knob} 以外も違っています。{advice}"
    ),
    "data": "データ",
    "devices": "デバイス",
    "cards": "カード",
    "processors": "プロセッサー",
    "engines": "エンジン",
    "versions of the code": "コードの版",
    "versions of {package}": "{package} の版",
    "orders of the batches": "バッチの順序",
    "hold {knob} at one value with the claim's `at`": (
        "主張の `at` で {knob} を一つの値に固定してください"
    ),
    "the same command again trains all of its runs with the code that is there now": (
        "同じコマンドをもう一度打てば、今のコードですべて学習し直します"
    ),
    "the same command with another runner.root trains all of its runs alike": (
        "同じコマンドを別の runner.root で打てば、すべて同じ環境で学習します"
    ),
    "{knob} changed nothing: in each seed its values ended with equal weights ({names}); the model"
    " may not use it": (
        "{knob} は何も変えませんでした。どのシードでも、値を変えても重みが最後まで同じです"
        "（{names}）。モデルが使っていないのかもしれません"
    ),
    # The metric.
    "this version does not know the claim's metric ({error})": (
        "この版は主張の指標を知りません（{error}）"
    ),
    "{curve} was not recorded in {n} of {all} runs ({names}): {why}": (
        "{all} 回の学習のうち {n} 回で {curve} が記録されていません（{names}）。{why}"
    ),
    "they were trained without it": "その指標なしで学習されました",
    "the version that trained them did not have it; the same command with another runner.root"
    " trains them with this version": (
        "学習した版にはこの指標がありませんでした。同じコマンドを別の runner.root で打てば、"
        "この版で学習します"
    ),
    "{metric} is not a finite number in {names}": "{names} で {metric} が有限の数ではありません",
    "no run reached {curve} {threshold} in {n} epochs: train longer, or ask for a threshold that is"
    " reached": (
        "{n} エポックでは、どの学習も {curve} {threshold} に届きませんでした。"
        "もっと長く学習するか、届く目標にしてください"
    ),
    "auc is a mean over all epochs, and these are {lengths}; ask for final(...) or epochs_to(...),"
    " or train all for as many epochs": (
        "auc は全エポックの平均ですが、エポック数が {lengths} と異なります。final(...) か"
        " epochs_to(...) を使うか、同じエポック数で学習してください"
    ),
}
