"""Why a store or a sweep in it cannot be read, in Japanese."""

TEMPLATES = {
    "{path}: cannot be written ({why}); give another file by --table": (
        "{path}: 書き込めません（{why}）。--table で別のファイルを指定してください"
    ),
    "--table {path}: its name must end in {forms}": (
        "--table {path}: 名前の末尾は {forms} のどれかにしてください"
    ),
    "not a usable MLflow store: {uri} ({why}); it is left as it is": (
        "MLflow の記録として使えません：{uri}（{why}）。そのまま残しました"
    ),
    "{artifact_uri} is on another machine": "{artifact_uri} は別のマシンにあります",
    "{path}: there is no tracking store yet; train a sweep first, or give --root": (
        "{path}: まだ記録がありません。先に sweep を学習するか、--root を指定してください"
    ),
    "{uri}/{file}: it is not what {name} wrote; put it back, or delete that run and its folder"
    " under state/ to train it anew": (
        "{uri}/{file}: {name} が書いたものと異なります。元に戻すか、"
        "その run と state/ のフォルダを消して学習し直してください"
    ),
    "{uri} does not answer: {text}": "{uri} から返事がありません：{text}",
    "{uri} has no {name} of run {run_id}": "{uri} に run {run_id} の {name} がありません",
    "{uri}: there is no experiment {experiment}; train a sweep first, or give --experiment": (
        "{uri}: experiment {experiment} がありません。先に sweep を学習するか、"
        "--experiment を指定してください"
    ),
    "the store holds no sweep yet; train one first: {command} -m ...": (
        "まだ sweep の記録がありません。先に学習してください：{command} -m ..."
    ),
    "{word}: {what}; there are: {known}": "{word}: {what}。あるのは：{known}",
    "is the start of several keys": "複数のキーの始まりです",
    "names no sweep of the store": "そのような sweep は記録にありません",
    "the plan of {name} ({uri}/sweep.json)": "{name} の計画（{uri}/sweep.json）",
    "{where} cannot be read ({error}); {command} puts it back": (
        "{where}が読めません（{error}）。{command} で元に戻ります"
    ),
    "{where} has version {version}, and this program reads up to {known}; analyse it with the"
    " version that trained it, or with a newer one": (
        "{where}は版 {version} です。このプログラムが読めるのは {known} までです。学習した版か、"
        "もっと新しいもので分析してください"
    ),
    "its claims are not those that were declared": "主張が宣言されたものと異なります",
    "{folder}: there is something that is no report; give another folder by --out": (
        "{folder}: レポートでないものがあります。--out で別のフォルダを指定してください"
    ),
    "{folder}: cannot be written ({why}); give another folder by --out": (
        "{folder}: 書き込めません（{why}）。--out で別のフォルダを指定してください"
    ),
    "it is of another sweep": "別の sweep のものです",
}
