"""What the commands beside the main one tell, in Japanese."""

TEMPLATES = {
    # runner.status
    "{n} of {runs} trained": "{runs}のうち {n} 回完了",
    "{n} running": "{n} 回学習中",
    "{n} failed": "{n} 回失敗",
    "{n} diverged": "{n} 回発散",
    "about {time} left": "残りおよそ {time}",
    "  by process {parent}, workers {places}": "  プロセス {parent}、ワーカー {places}",
    "  go on: {command}": "  続けるには：{command}",
    "{runs} typed alone": "単独：{runs}",
    # runner.sync
    "{n} runs looked at; state/ and the store hold what they wrote": (
        "{n} 回の学習を調べました。state/ にも MLflow にも書いたとおりにあります"
    ),
    "{n} runs looked at; the store is in step": (
        "{n} 回の学習を調べました。MLflow の記録はそろっています"
    ),
    "{what} taken over from {other}; {n} were here already": (
        "{other} から{what}を取り込みました。{n} 回はすでにありました"
    ),
    "{n} sweep": "sweep {n} 件",
    "{n} sweeps": "sweep {n} 件",
    "{_0} and {_1}": "{_0} と {_1}",
    "{_0}, {_1}": "{_0}、{_1}",
    "{_0}, {_1}, {_2}": "{_0}、{_1}、{_2}",
    "{_0}, {_1}, {_2}, {_3}": "{_0}、{_1}、{_2}、{_3}",
    "{_0}; {_1}": "{_0}。{_1}",
    "{runs} there not trained yet, and left there": (
        "あちらの{runs}はまだ終わっていないので、そのまま残しました"
    ),
    "{failure}; nothing is lost, run it again": (
        "{failure}。失われたものはありません。もう一度実行してください"
    ),
    "{name}: in {where} it is not there whole: {again}": (
        "{name}: {where} に全部はありません。{again}"
    ),
    "{command} puts it there": "{command} で記録されます",
    "{name}: in {where}: {differ}: {wrong}": "{name}: {where} の {differ}：{wrong}",
    "not what is in state/; delete that run there, and type {command}": (
        "state/ にあるものと異なります。そこの run を消して、{command} と打ってください"
    ),
    "--from {other}: it is the root itself; give another one": (
        "--from {other}: root そのものです。別のものを指定してください"
    ),
    "{name}: {path} holds an unfinished run of an earlier version; move it away": (
        "{name}: {path} に以前の版の終わっていない学習があります。よそへ移してください"
    ),
    # runner.forget
    "the sweep {name} of {runs}": "sweep {name}（{runs}）",
    "{n} of them stay: {sweeps} needs them": "うち {n} 回は残ります：{sweeps} に必要です",
    "{mb} MB in {folder}": "{folder} の {mb} MB",
    "to be removed: {runs}, {size}, and what MLflow has of it": (
        "消すもの：{runs}、{size}、MLflow にあるその記録"
    ),
    "in {store}, its artifacts too": "（{store}。artifact も）",
    "(a server keeps deleted runs until mlflow gc is typed there)": (
        "（サーバーでは、mlflow gc と打つまで消した run が残ります）"
    ),
    "Remove it for good? [y/N] ": "完全に消しますか [y/N] ",
    "nothing was removed": "何も消していません",
    "forgotten": "消しました",
    "interrupted": "中断しました",
    "{why}; type it again to finish": "{why}。もう一度打てば最後まで消します",
    "there is no terminal to ask on; give --yes to remove it": (
        "確かめる端末がありません。消すには --yes をつけてください"
    ),
    "{name}: is being trained now; stop that first": (
        "{name}: 今学習しています。先にそれを止めてください"
    ),
    "{word}: the sweep {of_sweeps} needs it; forget that sweep, or leave the run": (
        "{word}: sweep {of_sweeps} に必要です。その sweep を消すか、この学習を残してください"
    ),
    "{state}: there is no such folder; train something first, or give --root": (
        "{state}: そのようなフォルダはありません。先に何か学習するか、--root を指定してください"
    ),
    "{word}: begins the keys of {n} runs ({keys}); type more": (
        "{word}: {n} 回の学習のキーの始まりです（{keys}）。もっと長く打ってください"
    ),
    "{word}: begins the keys of {n} sweeps ({keys}); type more": (
        "{word}: {n} 件の sweep のキーの始まりです（{keys}）。もっと長く打ってください"
    ),
    "{word}: {root} holds no such sweep or run; the last sweeps are {there}": (
        "{word}: {root} にそのような sweep も学習もありません。最近の sweep：{there}"
    ),
    # runner.ui
    "MLflow, on this machine only; Ctrl-C ends it": "MLflow（このマシンだけ。Ctrl-C で終了）",
    "the latest sweep's runs:": "最新の sweep の学習：",
    "their curves by cell:": "セルごとの曲線：",
    "all sweeps:": "すべての sweep：",
    "other sweeps: the menu above the list of runs": "ほかの sweep：学習の一覧の上のメニュー",
    "MLflow has pages of its own: {page}": "MLflow のページはこちらです：{page}",
    "{uri}: only the local store and a server's are shown; for this one type mlflow server"
    " --backend-store-uri {uri}": (
        "{uri}: 見られるのはローカルの記録とサーバーの記録だけです。"
        "これには mlflow server --backend-store-uri {uri} と打ってください"
    ),
    "{option}={port}: allowed is an integer from 1 to 65535": (
        "{option}={port}: 使えるのは 1 〜 65535 の整数です"
    ),
    "{option}={port}: {why}; give another one": "{option}={port}: {why}。別の番号にしてください",
    "cannot be served on ({strerror})": "ここでは開けません（{strerror}）",
    # runner.export
    "{folder}: is there already; give --out DIR": (
        "{folder}: すでにあります。--out DIR を指定してください"
    ),
    "{name}: written to {folder}; in Python:\n  mlflow.pyfunc.load_model({quoted}).predict(x)": (
        "{name}: {folder} に書き出しました。Python では："
        "\n  mlflow.pyfunc.load_model({quoted}).predict(x)"
    ),
    "x has the shape {shape}; allowed is ({allowed})": (
        "x の形は {shape} です。使えるのは ({allowed}) です"
    ),
    "{changed}: not what was written when the run ended": (
        "{changed}: 学習の終わりに書かれたものと異なります"
    ),
    "{name}: it is {status} and has no weights": "{name}: {status}なので重みがありません",
    "not trained": "未学習",
    "{name}: your own code has changed since it was trained; its weights belong to the code"
    " that was there then": (
        "{name}: 学習の後で自作のコードが変わりました。重みはそのときのコードのものです"
    ),
}
