"""What a sweep prints, in Japanese."""

TEMPLATES = {
    # What will be trained.
    "{cells} x {seeds} = {runs}": "{cells} × {seeds} ＝ {runs}",
    "{n} cell": "{n} セル",
    "{n} cells": "{n} セル",
    "{n} seed": "{n} シード",
    "{n} seeds": "{n} シード",
    "{n} run": "{n} 回の学習",
    "{n} runs": "{n} 回の学習",
    "{n} epoch": "{n} エポック",
    "{n} epochs": "{n} エポック",
    "{n} worker": "{n} ワーカー",
    "{n} workers": "{n} ワーカー",
    "{n} duplicate": "重複 {n} 回",
    "{n} duplicates": "重複 {n} 回",
    "{duplicates} removed": "{duplicates}を除きました",
    "{n} of {all} already trained": "{all} 回のうち {n} 回は学習済み",
    "data {data}; device {device}; engine {engine}; {workers}": (
        "データ {data}、デバイス {device}、エンジン {engine}、{workers}"
    ),
    "claims: {n}  root: {root}  MLflow: {store}": "主張：{n}  root：{root}  MLflow：{store}",
    "{n} go on from {epochs} that a run with fewer trained": (
        "{n} 回は、短い学習の {epochs}の続きから始めます"
    ),
    "{least} to {most}": "{least} 〜 {most}",
    "final states are kept{space}: more epochs go on from them (runner.keep)": (
        "最後の状態を残します{space}。続きから学習できます（runner.keep）"
    ),
    "final states are not kept{space}; runner.keep=always keeps them": (
        "最後の状態は残しません{space}。runner.keep=always で残ります"
    ),
    "about {time} of training": "学習はおよそ {time}",
    "{told} ({low} to {high})": "{told}（{low} 〜 {high}）",
    "its time shows as it trains": "所要時間は学習しながら表示します",
    "{epochs}, {told}": "{epochs}、{told}",
    "{cells}, up to {seeds} = {runs}": "{cells}、{seeds}まで ＝ {runs}",
    "{told}, at most {most} with all looks": "{told}、すべて判定しても最大 {most}",
    "{s} s": "{s} 秒",
    "{min} min {s} s": "{min} 分 {s} 秒",
    "{h} h {min} min": "{h} 時間 {min} 分",
    # Which cells there are.
    "{n} cells that the sweep's file lists": "sweep のファイルに挙げられた {n} セル",
    "{n} of {all} cells": "{all} セルのうち {n} セル",
    "one at a time around {base}: {of}": "{base} を中心に一つずつ：{of}",
    "a fraction of resolution {n}: {of}": "resolution {n} の一部実施：{of}",
    "{fraction} (plan=true: what it cannot tell)": "{fraction}（区別できないものは plan=true で）",
    "the effects of these knobs cannot be told from those of two others together:": (
        "次のノブの効果は、ほかの二つの組み合わせの効果と区別できません："
    ),
    "the effect of each knob is clear of those of any two others together": (
        "各ノブの効果は、ほかのどの二つの組み合わせの効果とも区別できます"
    ),
    "of two knobs together, these cannot be told apart:": (
        "二つのノブの組み合わせの効果のうち、次のものは区別できません："
    ),
    "the effect of any two knobs together is clear of those of any other two": (
        "どの二つのノブの組み合わせの効果も、ほかの二つの効果と区別できます"
    ),
    "own: {files}": "自作のファイル：{files}",
    ", own {files}": "、自作のファイル {files}",
    "{name}: a margin of {margin} is less than one of {n_test} images": (
        "{name}: margin {margin} は画像 {n_test} 枚中の 1 枚未満の差です"
    ),
    "what the claims can come to:": "主張について分かること：",
    "not known: analysis.ahead {ended}": "不明：analysis.ahead が{ended}",
    # A single run.
    "{name}: data {data}{own}, device {device}, engine {engine}, root {root}, MLflow"
    " {store}{trained}": (
        "{name}: データ {data}{own}、デバイス {device}、エンジン {engine}、root {root}、"
        "MLflow {store}{trained}"
    ),
    "; already trained": "。学習済みです",
    "; goes on after {epochs} that a run with fewer trained": (
        "。短い学習の {epochs}の続きから始めます"
    ),
    # What is computed how.
    "compiling the kernels of engine=fast, once on this machine": (
        "engine=fast のカーネルをコンパイルしています（このマシンで一度だけ）"
    ),
    "compiled in {s} s": "コンパイルに {s} 秒",
    "computed without kernels of ours: {names}": "専用カーネルなしで計算：{names}",
    "{name} ({share} of a step)": "{name}（1 ステップの {share}）",
    "steps are not captured: {reason}": "ステップはキャプチャされません：{reason}",
    # While it trains.
    "runs {n} of {all}": "学習 {n}/{all} 回",
    "epochs {n} of {all}": "エポック {n}/{all}",
    "epoch {n}/{all}": "エポック {n}/{all}",
    "{epoch}, test {percent} %": "{epoch}、テスト {percent} %",
    "compiling, {time}": "コンパイル中、{time}",
    "{n} images/s": "{n} 枚/秒",
    "left {time}": "残り {time}",
    "MLflow is behind, results are safe in state/: {trouble}": (
        "MLflow への記録が遅れていますが、結果は state/ にあります：{trouble}"
    ),
    "{status} ({cause})": "{status}（{cause}）",
    "killed": "強制終了",
    "test accuracy {accuracy}, train loss {loss}, {epochs} in {time}": (
        "テスト精度 {accuracy}、訓練損失 {loss}、{epochs}（{time}）"
    ),
    # Looks.
    "look {n} of {all}: {seeds} seeds": "{all} 回の判定の {n} 回目（{seeds} シード）",
    "looks at {listed} seeds, until its claims are decided: at most {most} runs": (
        "{listed} シードのたびに、主張が決まるまで判定：学習は最大 {most} 回"
    ),
    "{n} claim": "主張 {n} 件",
    "{n} claims": "主張 {n} 件",
    "{n} of {claims} open": "{claims}のうち {n} 件が未定",
    "all are decided": "すべて決定済み",
    "every claim is decided": "すべての主張が決まりました",
    "{cells} go on to {n} seeds: {runs} more": "{cells}を {n} シードまで続けます（あと {runs}）",
    "{cells} goes on to {n} seeds: {runs} more": "{cells}を {n} シードまで続けます（あと {runs}）",
    "{told}, about {time}": "{told}、およそ {time}",
    "no further look: sweep.max_seeds={n}; sweep.max_seeds={more} goes on with {more} seeds": (
        "判定はここまで：sweep.max_seeds={n}。"
        "sweep.max_seeds={more} とすると {more} シードまで続けます"
    ),
    "no further look: it takes about {next} after {spent}, and sweep.max_minutes={minutes}; the"
    " same command goes on": (
        "判定はここまで：次はおよそ {next}かかり、すでに {spent}使いました"
        "（sweep.max_minutes={minutes}）。同じコマンドで続きから始められます"
    ),
    "look {number} could not be decided: {why}; all that is trained is kept, the same command"
    " goes on": (
        "{number} 回目の判定ができませんでした：{why}。学習したものはすべて残っています。"
        "同じコマンドで続きから始められます"
    ),
    ", {mb} MB": "（{mb} MB）",
    # The end.
    "{n} of {all} runs trained and stored. Browse the curves: {command}": (
        "{all} 回のうち {n} 回の学習を終え、記録しました。学習曲線：{command}"
    ),
    "The answers to its claims: {command}": "主張への答え：{command}",
    "Change a value and run again: only what is new is trained.": (
        "値を変えてもう一度打つと、新しいものだけを学習します。"
    ),
    # What went wrong, and what to type.
    "failed: {name}: {cause}{limit}{trace}": "失敗：{name}: {cause}{limit}{trace}",
    "interrupted{reached}, nothing is lost; go on with: {command}": (
        "中断しました{reached}。失われたものはありません。続けるには：{command}"
    ),
    "; {n} of {all} runs are trained": "（{all} 回の学習のうち {n} 回が完了）",
    " after {n} whole epochs": "（{n} エポックまで完了）",
    "{n} of {all} runs failed, {others}: {command}": (
        "{all} 回の学習のうち {n} 回が失敗しました。{others}：{command}"
    ),
    "the others are stored; try again with": "残りは記録されました。もう一度試すには",
    "the others are trained; try again with": "残りは学習が終わりました。もう一度試すには",
    "which stopped the sweep{why}; {n} are trained; go on with": (
        "そのため sweep を止めました{why}。{n} 回は学習が終わりました。続けるには"
    ),
    "{behind} kept in {state} and not in MLflow yet: {trouble}; once that is mended: {command}": (
        "{behind}、{state} にあり、まだ MLflow にはありません：{trouble}。直してから：{command}"
    ),
    "{n} runs are": "{n} 回の学習は",
    "1 run is": "1 回の学習は",
    "how it ended is": "終わり方の記録は",
    "one thread computed the products {products}: NumPy's BLAS rounds their parts otherwise": (
        "積 {products} は 1 スレッドで計算：分割すると NumPy の BLAS の丸めが変わるため"
    ),
    "{name}: attempts on processors of two families gave other last bits; the run is marked as"
    " mixed": (
        "{name}: 系列の異なるプロセッサーで末尾のビットが異なりました。混在の印をつけました"
    ),
    "{name}: {checkpoints} could not be used (damaged, or another run's); it went on from epoch"
    " {epoch}": (
        "{name}: {checkpoints} は使えず（破損か、別の学習のもの）、"
        "エポック {epoch} の後から続けました"
    ),
    "{knob} changed nothing: {one} and {other} ended with equal weights in {where}; the model"
    " may not use it": (
        "{knob} は何も変えませんでした。{one} と {other} では{where}で重みが最後まで同じです。"
        "モデルが使っていないのかもしれません"
    ),
    "each run": "すべての学習",
    "{n} of {all} runs": "{all} 回の学習のうち {n} 回",
}
