"""The answers in Japanese."""

TEMPLATES = {
    # The answers.
    "YES": "はい",
    "YES, HOW MUCH IS OPEN": "はい（大きさは未定）",
    "TOO SMALL TO MATTER": "差は小さい",
    "NO, THE OPPOSITE": "いいえ、逆",
    "IT DEPENDS": "場合による",
    "NOT YET": "まだ決まらない",
    "CANNOT SAY": "判定できない",
    "{claim}: on {knobs}": "{claim}（{knobs} による）",
    # Numbers.
    "points": "ポイント",
    "epochs": "エポック",
    "nats": "nat",
    "{number} {unit}": "{number} {unit}",
    "any number": "いくらでも",
    "no difference": "差なし",
    "{size} lower": "{size}低い",
    "{size} higher": "{size}高い",
    "{size} fewer": "{size}少ない",
    "{size} more": "{size}多い",
    # What was found.
    " with {this} than with {that}": "{this} では {that} より",
    " with each doubling of {knob}": "{knob} が 2 倍になるごとに",
    "{way}{than}": "{than} {way}",
    "{span}.": "{span}。",
    "{span}: less than the {margin} that matter.": (
        "{span}。意味のある差とした {margin}に届きません。"
    ),
    "{found}{surely}": "{found}{surely}",
    "{measured}: {found}": "{measured}：{found}",
    "{metric} less {minus}": "{metric} と {minus} の差",
    ", surely {least} to {most}": "（確かなのは {least} 〜 {most}）",
    ", surely at least {way}": "（少なくとも {way}のは確か）",
    ", surely more than 0 and at most {most}": "（確かなのは 0 より大きく {most} 以下）",
    "{found}, which may be more or less than the {margin} that matter": (
        "{found}。意味のある差とした {margin}を超えるかは未定"
    ),
    "{found}, which at some settings may be more or less than the {margin} that matter": (
        "{found}。条件によっては、意味のある差とした {margin}を超えるか未定"
    ),
    "{found}. {seeds}.": "{found}。{seeds}。",
    "{seeds}, and the median seed is judged": "{seeds}（中央のシードで判定）",
    "In {n} of {all} seeds": "{all} シードのうち {n} シードでこの向き",
    "{seeds}, the same in each": "{seeds}、どのシードでも同じ大きさ",
    "{seeds}; their luck is uneven, and the median seed is judged": (
        "{seeds}（ばらつきが偏っているため、中央のシードで判定）"
    ),
    "Between {low} and {high}{than}": "{than}「{low}」から「{high}」までのどこか",
    "No difference": "差なし",
    "{found}, in each seed": "{found}（どのシードでも）",
    "{found} in the median seed; so few seeds give no sure range": (
        "{found}（中央のシード）。シードが少なく、確かな範囲は言えません"
    ),
    "{setting}: {way}.": "{setting}：{way}。",
    "And {n} more settings.": "ほか {n} 通り。",
    # Best levels, and runs that diverged.
    "Best on the validation images: {sides}.": "検証画像での最良：{sides}。",
    "{cell} at {level} in {n} of {all} seeds": "{cell} は {all} シード中 {n} シードで {level}",
    "{usual} (and {others})": "{usual}（ほかに {others}）",
    "{level} in {n}": "{level} が {n}",
    "{n} more sides": "ほか {n} 通り",
    "At the edge of what was tried: {levels}; widen the range.": (
        "試した範囲の端：{levels}。範囲を広げてください。"
    ),
    "{level} for {cells}": "{cells} の {level}",
    "With the same {knobs} on all sides it holds at {n} of {all} levels": (
        "{knobs} をそろえると、{all} 通りのうち {n} 通りで成り立ちます"
    ),
    "{holds}.": "{holds}。",
    "{holds} (not at {levels}).": "{holds}（{levels} では成り立ちません）。",
    "Diverged: {n} of {all} runs with {this}, {others} of {all} with {that}.": (
        "発散：{this} では {all} 回中 {n} 回、{that} では {all} 回中 {others} 回。"
    ),
    "1 run diverged, which is worse than any number: what is said is of the median seed.": (
        "1 回の学習が発散し、どの値よりも悪いものとして扱いました。"
        "述べるのは中央のシードについてです。"
    ),
    "{n} runs diverged, which is worse than any number: what is said is of the median seed.": (
        "{n} 回の学習が発散し、どの値よりも悪いものとして扱いました。"
        "述べるのは中央のシードについてです。"
    ),
    "{side} diverges in the median seed": "{side} は中央のシードで発散",
    "{found}; whether it is surely by the {margin} that matter is open": (
        "{found}。意味のある差とした {margin}を確かに超えるかは未定"
    ),
    "{size} less often": "{size}少ない頻度",
    "{size} more often": "{size}多い頻度",
    "above any number": "どの値よりも上",
    "below any number": "どの値よりも下",
    "More seeds that differ decide it if nearly all go the same way.": (
        "差の出るシードが増え、そのほぼすべてが同じ向きなら決まります。"
    ),
    # What more seeds would do.
    "with a chance of {seen} % if the difference is as seen, {none} % if there is none": (
        "見えたとおりの差なら {seen} %、差がなければ {none} % の見込みで"
    ),
    "Even {n} more seeds would settle it {chances}: not worth it.": (
        "シードを {n} 個足しても、{chances}決まるだけで、割に合いません。"
    ),
    "{n} more seeds ({minutes} min) would settle it {chances}.": (
        "シードをあと {n} 個（{minutes} 分）足せば、{chances}決まります。"
    ),
    "{n} more seed ({minutes} min) would settle it {chances}.": (
        "シードをあと {n} 個（{minutes} 分）足せば、{chances}決まります。"
    ),
    "{n} runs never reached the threshold: more epochs, not more seeds, would decide this claim.": (
        "{n} 回の学習が目標に届きませんでした。シードではなくエポックを増やせば決まります。"
    ),
    "More seeds decide it if nearly all of them go the same way.": (
        "シードを足したとき、ほとんどが同じ向きなら決まります。"
    ),
    "{n} seeds cannot decide it where luck is so uneven: {more} more ({minutes} min) can, if all go"
    " the same way.": (
        "ばらつきがこれほど偏ると {n} シードでは決まりません。"
        "あと {more} 個（{minutes} 分）足して、すべて同じ向きなら決まります。"
    ),
    "{n} seeds cannot decide it, though all are equal: {more} more ({minutes} min) can, if they are"
    " so, too.": (
        "すべて同じ値でも {n} シードでは決まりません。あと {more} 個（{minutes} 分）も同じなら"
        "決まります。"
    ),
    # The sweep.
    "{n} of {all} runs done": "{all} 回の学習のうち {n} 回が完了",
    "{text} ({others})": "{text}（{others}）",
    "{n} {state}": "{state} {n} 回",
    "diverged": "発散",
    "failed": "失敗",
    "missing": "記録なし",
    "running": "学習中",
    "killed": "強制終了",
    "{counted}. {declared}": "{counted}。{declared}",
    "No claim was declared for this sweep.": "この sweep に宣言された主張はありません。",
    "No claim was declared, so nothing is decided here; the curves are below.": (
        "主張が宣言されていないので、ここでは何も判定しません。学習曲線は下にあります。"
    ),
    "Its claims were recorded before {n} of {all} runs began.": (
        "主張は {all} 回の学習のうち {n} 回の開始より前に記録されました。"
    ),
    "Exploratory: asked after the runs, so it earns no verdict. Declare it as a claim before the"
    " next seeds.": (
        "探索的：学習の後に立てた問いなので、判定は出しません。"
        "次のシードより前に、主張として宣言してください。"
    ),
    "What was written after runs were seen is a question for new seeds, not an answer.": (
        "結果を見てから書いた主張は、答えではなく、新しいシードで確かめるべき問いです。"
    ),
    "An earlier sweep decided them with {seeds} seeds: adding seeds until a claim holds leads to"
    " wrong verdicts in more than 5 % of sweeps, so what is read here are wider intervals, which"
    " hold for any number of looks.": (
        "同じ主張を以前の sweep が {seeds} シードで判定しています。"
        "主張が通るまでシードを足していくと、5 % を超える sweep で判定を誤るので、"
        "ここでは何度見ても成り立つ、より広い範囲で判定します。"
    ),
    "The store holds seeds {listed} of these cells, too, and they are used (--as-planned leaves"
    " them out).": (
        "同じセルのシード {listed} も記録にあり、あわせて使っています（--as-planned で除けます）。"
    ),
    "The test images of {name} have been read by {n} run of this store.": (
        "{name} のテスト画像は、この記録の学習 {n} 回で使われました。"
    ),
    "The test images of {name} have been read by {n} runs of this store.": (
        "{name} のテスト画像は、この記録の学習 {n} 回で使われました。"
    ),
    "Each knob was moved alone around {base}: elsewhere the answers may be others.": (
        "{base} を中心に、ノブを一つずつ動かしました。ほかのところでは答えが違うかもしれません。"
    ),
    "Its {n} cells are a fraction of the grid: each answer is an average over the other knobs, and"
    " on which of them it depends is not known.": (
        "{n} セルは全組み合わせの一部です。答えはほかのノブについての平均で、"
        "どのノブによるかは分かりません。"
    ),
    "Its cells are those that its file lists: what differs in one knob is compared.": (
        "セルはファイルに挙げられたものです。ノブ一つだけが異なるものを比べます。"
    ),
    "after an unplanned extension": "計画になかったシードの追加後",
    "recorded: {verdict}": "記録された判定：{verdict}",
    "The store holds seeds {listed} of these cells, too, and they are not used: what is chosen"
    " among seeds that were seen is wrong far more often than 5 %.": (
        "同じセルのシード {listed} も記録にありますが、使っていません。"
        "見てから選んだシードによる判定は、5 % よりずっと多く誤ります。"
    ),
    "{part} (without effect in {n} of {all} cells)": (
        "{part}（{all} セルのうち {n} セルでは効果なし）"
    ),
    "default claim": "既定の主張",
    "generated claim": "自動で作られた主張",
    "seeds left out": "使っていないシードあり",
    "Under: {conditions}.": "条件：{conditions}。",
    "Report: {address}": "レポート：{address}",
    "Figures: {address}": "図：{address}",
    "All numbers: {command}": "すべての数値：{command}",
    "A point is one in a hundred images. What is said surely, and every YES or NO, is wrong in at"
    " most one sweep of twenty. What matters is what the claims declared before. More:"
    " docs/conclusions.md": (
        "1 ポイントは画像 100 枚に 1 枚の割合です。「確か」な範囲と「はい」「いいえ」が誤るのは、"
        "sweep 20 回に多くて 1 回です。「意味のある差」は主張があらかじめ決めたものです。"
        "くわしくは docs/conclusions.md（英語）。"
    ),
    # Between sentences, none of which ends with a space.
    "{_0} {_1}": "{_0}{_1}",
    "{_0} {_1} {_2}": "{_0}{_1}{_2}",
    "{_0} {_1} {_2} {_3}": "{_0}{_1}{_2}{_3}",
    "{_0} and {_1}": "{_0} と {_1}",
    "{_0} or {_1}": "{_0} または {_1}",
}
