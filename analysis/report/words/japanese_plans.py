"""What a planned sweep can tell, and where a look stands, in Japanese."""

TEMPLATES = {
    "Cannot be decided: {reason}.": "判定できません。{reason}。",
    "{n} cells, {seeds}.": "{n} セル、{seeds}。",
    "{n} cells, {seeds}, {min} min.": "{n} セル、{seeds}、{min} 分。",
    "How small a difference they find is known once they are trained.": (
        "どこまで小さい差が分かるかは、学習した後に分かります。"
    ),
    "One seed says nothing of others.": "一つのシードでは、ほかのシードについて何も言えません。",
    "In {there} luck was uneven: at least {fewest} seeds tell a direction, and these are {n}.": (
        "{there}ではばらつきが偏っていました。向きが分かるには少なくとも {fewest} シード要り、"
        "今回は {n} シードです。"
    ),
    "In four sweeps of five they find {found} or more, with the luck of {there}": (
        "ばらつきが {there}と同じなら、5 回の sweep のうち 4 回で {found}以上の差が見つかります"
    ),
    "{finds}.": "{finds}。",
    "{finds}; {margin} matter.": "{finds}（意味のある差は {margin}）。",
    "{finds}; {margin} matter, which {n} seeds find.": (
        "{finds}。意味のある差 {margin}を見つけるには {n} シード要ります。"
    ),
    "{finds}; {margin} matter, which {n} seeds do not find.": (
        "{finds}。意味のある差 {margin}は {n} シードでも見つかりません。"
    ),
    "{name} ({n} seeds)": "{name}（{n} シード）",
    "{name} ({n} seeds, there {knobs})": "{name}（{n} シード、{knobs}）",
    "{knobs} and {n} others": "{knobs} ほか {n} 個",
    # Where a look stands.
    "decided at look {n} of {all}, {seeds} seeds": (
        "{all} 回の判定の {n} 回目で決定、{seeds} シード"
    ),
    "open after look {n} of {all}, {seeds} seeds": (
        "{all} 回の判定の {n} 回目で未定、{seeds} シード"
    ),
    "look {n} of {all}, {seeds} seeds, is not at its end": (
        "{all} 回の判定の {n} 回目の途中、{seeds} シード"
    ),
    "look {number} of {key}: the sweep has {n} that were planned": (
        "{key} の {number} 回目の判定：計画されたのは {n} 回です"
    ),
}
