"""What is wrong with a tracking store or with files of state/, in Japanese."""

TEMPLATES = {
    # Whether it can be used.
    "tracking store {uri}: {why}": "MLflow の記録先 {uri}: {why}",
    "{path} {why}": "{path} は{why}",
    "the tracking store {path} has to be written to: {refused}; give another one": (
        "MLflow の記録先 {path} に書き込む必要があります：{refused}。別のものを指定してください"
    ),
    "tracking.uri={uri}: names no file; write sqlite:////ABSOLUTE/PATH.db": (
        "tracking.uri={uri}: ファイルの名前がありません。"
        "sqlite:////ABSOLUTE/PATH.db と書いてください"
    ),
    "tracking.uri={uri}{origin} cannot be reached ({error}); start the server, or give"
    " tracking.uri=null for the local store": (
        "tracking.uri={uri}{origin} につながりません（{error}）。サーバーを起動するか、"
        "ローカルに記録するなら tracking.uri=null としてください"
    ),
    "{path} cannot be written to": "{path} に書き込めません",
    "{path}: a store's path cannot hold a line break; give another runner.root": (
        "{path}: 記録先のパスに改行は使えません。別の runner.root にしてください"
    ),
    "{database}: its artifacts are in {artifacts} now, no longer in {changed}": (
        "{database}: artifact の場所は {artifacts} になりました（以前は {changed}）"
    ),
    "is kept locked by another process; wait for its end, or end it, and type the command again": (
        "ほかのプロセスがロックしています。終わるのを待つか終わらせてから、"
        "コマンドをもう一度打ってください"
    ),
    "cannot be written to ({error})": "書き込めません（{error}）",
    "cannot be read ({error})": "読めません（{error}）",
    "tracking.experiment={name} was deleted in MLflow; restore it (mlflow experiments restore"
    " -x {experiment_id}) or give another name": (
        "tracking.experiment={name} は MLflow で消されています。元に戻すか"
        "（mlflow experiments restore -x {experiment_id}）、別の名前にしてください"
    ),
    "{path}: there is no experiment {name}; train something first, or give --experiment": (
        "{path}: experiment {name} がありません。先に何か学習するか、"
        "--experiment を指定してください"
    ),
    "{path}: there is no tracking store yet; train something first": (
        "{path}: まだ記録がありません。先に何か学習してください"
    ),
    "mlflow gc could not remove {n} runs: {last}": "mlflow gc で {n} 件を消せませんでした：{last}",
    # What came of a call.
    "it could not be recorded ({name}: {why})": "記録できませんでした（{name}: {why}）",
    "the store is kept locked by another process ({why})": (
        "記録先をほかのプロセスがロックしています（{why}）"
    ),
    "the store refuses it ({why})": "記録先に拒まれました（{why}）",
    "the store went away ({why})": "記録先につながらなくなりました（{why}）",
    "the store's disk is full ({why})": "記録先のディスクがいっぱいです（{why}）",
    "the store's file system takes no more files ({no_inodes})": (
        "記録先のファイルシステムにこれ以上ファイルを作れません（{no_inodes}）"
    ),
    "{no_inodes} ({room}): remove files there": "{no_inodes}（{room}）：ファイルを減らしてください",
    "{filename} cannot be used ({strerror})": "{filename} が使えません（{strerror}）",
    "a call to it is still under way": "呼び出しがまだ終わっていません",
    "{name}: another process told the store of it too": (
        "{name}: ほかのプロセスもこれを記録しました"
    ),
    # Its version.
    "MLflow 2 or before": "MLflow 2 以前",
    "an older MLflow 3": "もっと古い MLflow 3",
    "a newer MLflow": "もっと新しい MLflow",
    "MLflow {version} (schema {dated})": "MLflow {version}（schema {dated}）",
    "{revision} of {day}": "{revision}、{day}",
    "{shown}: made by {maker} (schema {dated}), and here is {installed}; it is left as it is;"
    " {next_step}": (
        "{shown}: {maker} のもの（schema {dated}）で、ここにあるのは {installed} です。"
        "そのまま残しました。{next_step}"
    ),
    "install that one again, move the store away, or give another": (
        "その版を入れ直すか、記録をよそへ移すか、別の記録先を指定してください"
    ),
    "back it up, and type mlflow db upgrade URI": (
        "控えをとってから mlflow db upgrade URI と打ってください"
    ),
    "to upgrade a copy and keep the old file beside it, type {command}": (
        "写しを新しい版にし、古いファイルも残すには {command} と打ってください"
    ),
    "not a usable MLflow store: {path}; it is left as it is: move it away or give tracking.uri": (
        "MLflow の記録として使えません：{path}。そのまま残しました。よそへ移すか、"
        "tracking.uri を指定してください"
    ),
    "cannot be upgraded ({error}); it is left as it is": (
        "新しい版にできません（{error}）。そのまま残しました"
    ),
    "{kept} is there already, from another upgrade; move it away, and type the command again": (
        "{kept} がすでにあります（別の更新のもの）。よそへ移して、コマンドをもう一度打ってください"
    ),
    "{path} is a store of {installed} already; nothing to do": (
        "{path} はすでに {installed} の記録です。することはありません"
    ),
    "{path} is a store of {installed} now; the old file is kept as {kept}": (
        "{path} は {installed} の記録になりました。古いファイルは {kept} に残しました"
    ),
    "{path}: MLflow cannot upgrade it ({in_short}); it is left as it is": (
        "{path}: MLflow で新しい版にできません（{in_short}）。そのまま残しました"
    ),
    "{uri}: --upgrade-store takes a SQLite file; back a database up, and type mlflow db upgrade"
    " URI": (
        "{uri}: --upgrade-store は SQLite のファイルのためのものです。"
        "データベースは控えをとってから mlflow db upgrade URI と打ってください"
    ),
    # Files of state/.
    "a journal begins with the start of an attempt": "journal は attempt の start で始まります",
    "it is that of run {run_key}": "学習 {run_key} のものです",
    "{journal}: line {n_lines} is damaged ({error}); from there on it is not used": (
        "{journal}: {n_lines} 行目が壊れています（{error}）。そこから先は使いません"
    ),
    "it has no checksum": "checksum がありません",
    "its checksum does not fit: it was changed, or a line before it was": (
        "checksum が合いません。この行かそれより前の行が書き換えられています"
    ),
    "written by version {version} of this format; this program knows {known}": (
        "形式の版 {version} で書かれています。このプログラムが読めるのは {known} までです"
    ),
    "not what the run wrote; move the run's folder away and type the sweep's command again": (
        "学習が書いたものと異なります。その学習のフォルダをよそへ移して、"
        "sweep のコマンドをもう一度打ってください"
    ),
    "{filename}: {strerror}; move it away": "{filename}: {strerror}。よそへ移してください",
    "{file}: epochs {missing} are missing; it does not count": (
        "{file}: エポック {missing} がないので数えません"
    ),
    "{error}; it was written anew": "{error}。書き直しました",
    "{path}: there is no such plan": "{path}: そのような計画はありません",
    "{path}: not a plan that this version can read ({error})": (
        "{path}: この版で読める計画ではありません（{error}）"
    ),
    "{path}: a plan of version {version}, and this program knows those up to version {known};"
    " use the program that wrote it, or a later one": (
        "{path}: 版 {version} の計画です。このプログラムが読めるのは版 {known} までです。"
        "書いたプログラムか、もっと新しいものを使ってください"
    ),
    "the run {name} has another key than its configuration": "学習 {name} のキーが設定と合いません",
    "it has another key than its runs and claims": "キーが学習や主張と合いません",
    "it was changed after it was written": "書かれた後で変更されています",
    "it has looks without runs": "学習のない判定があります",
    "it has runs that are of no look": "どの判定にも属さない学習があります",
    "look {later} was begun before look {place} was decided": (
        "{place} 回目の判定の前に {later} 回目が始まっています"
    ),
    "look {place} decided claims that were not open": (
        "{place} 回目の判定に、すでに決まっていた主張があります"
    ),
    "the seeds of look {place} are not those that double the others": (
        "{place} 回目の判定のシードが、それまでの 2 倍になっていません"
    ),
    # runner.server
    "MLflow on PostgreSQL {version}, on this machine only; Ctrl-C ends both": (
        "PostgreSQL {version} の上の MLflow（このマシンの中だけ）。Ctrl-C で両方終わります"
    ),
    "sweep:": "学習：",
    "report:": "報告：",
    "pages:": "画面：",
    "backup:": "控え：",
}
