"""Why a run ended, and what is wrong with data, in Japanese."""

TEMPLATES = {
    # Causes of a run's end.
    "loss {loss} at epoch {epoch}, batch {step}": (
        "エポック {epoch} のバッチ {step} で損失が {loss}"
    ),
    "out of memory": "メモリー不足",
    "out of memory ({error})": "メモリー不足（{error}）",
    "timed out: not at its end within {seconds} s (runner.time_limit_s)": (
        "時間切れ：{seconds} 秒以内に終わりませんでした（runner.time_limit_s）"
    ),
    "its worker ended with another one": "ワーカーが別のワーカーとともに終了しました",
    "its worker died (process {pid}{how}{memory}{limit})": (
        "ワーカーが落ちました（プロセス {pid}{how}{memory}{limit}）"
    ),
    ", possibly out of memory": "、メモリー不足かもしれません",
    # Data.
    "mnist could not be had ({why}); training on {n} of its images instead: data.name={name}. Give"
    " {folder} for the full set.": (
        "mnist を用意できませんでした（{why}）。代わりにその画像 {n} 枚で学習します"
        "（data.name={name}）。全部を使うには {folder} を指定してください。"
    ),
    "no download: {why}": "ダウンロードできません：{why}",
    "data.root=DIR or {variable}=DIR": "data.root=DIR か {variable}=DIR",
    "{name} could not be had ({why}); {install}give a folder with its four IDX files as {folder},"
    " or put them into {cache}": (
        "{name} を用意できませんでした（{why}）。"
        "{install}4 つの IDX ファイルのあるフォルダを {folder} で指定するか、"
        "{cache} に置いてください"
    ),
    "install {package}, or ": "{package} をインストールするか、",
    "{error}; put the right file into {folder}, or name another folder with data.root=DIR or"
    " {variable}=DIR": (
        "{error}。正しいファイルを {folder} に置くか、"
        "別のフォルダを data.root=DIR か {variable}=DIR で指定してください"
    ),
    "{reason}; expected SHA-256 of the unpacked file: {sha256}": (
        "{reason}（展開したファイルの SHA-256 は {sha256}）"
    ),
    "{path} is missing, packed or unpacked": "{path} がありません（展開したものもありません）",
    "{path} cannot be read ({error})": "{path} が読めません（{error}）",
    "{path} is a folder, a FIFO or a device, not a file": (
        "{path} はフォルダ、FIFO、デバイスのどれかで、ファイルではありません"
    ),
    "{where}: its gzip data are damaged ({error})": (
        "{where}: gzip のデータが壊れています（{error}）"
    ),
    "{where}: its gzip data are cut short, after {n} unpacked bytes": (
        "{where}: gzip のデータが途中で終わっています（展開して {n} バイト）"
    ),
    "{where}: a web page, not an IDX file (it starts with {data})": (
        "{where}: IDX ファイルではなくウェブページです（{data} で始まります）"
    ),
    "{where}: its header promises {n} items ({bytes} bytes), it holds {whole} whole ones ({held}"
    " bytes)": (
        "{where}: ヘッダーでは {n} 個（{bytes} バイト）ですが、"
        "実際にあるのは {whole} 個（{held} バイト）です"
    ),
    "{where}: SHA-256 of the unpacked file is {found}, expected {sha256}": (
        "{where}: 展開したファイルの SHA-256 は {found} で、{sha256} ではありません"
    ),
    "{where}: shape {shape}, expected {expected}": (
        "{where}: 形が {shape} で、{expected} ではありません"
    ),
    "no answer within {s} s": "{s} 秒以内に返事がありません",
    "not done within {s} s": "{s} 秒以内に終わりません",
    "plan only: not downloaded; a run would first try {hosts}": (
        "計画だけなのでダウンロードしません。学習するときは先に {hosts} を試します"
    ),
    "The kept copy {folder} was damaged and has been made anew.": (
        "とっておいた {folder} が壊れていたので、作り直しました。"
    ),
    "{folder} cannot be written ({why}); make room there or give another folder": (
        "{folder} に書き込めません（{why}）。空きを作るか、別のフォルダを指定してください"
    ),
    "{folder} is damaged ({why}); delete it, the next start makes it anew": (
        "{folder} が壊れています（{why}）。消せば、次に始めるときに作り直します"
    ),
    "data.validation={given}: allowed is an integer from 0 to {most}, of {all} training images": (
        "data.validation={given}: 使えるのは 0 〜 {most} の整数です（訓練画像は {all} 枚）"
    ),
    "data.n_train={given}: allowed is an integer from 1 to {most}, the training images{left}": (
        "data.n_train={given}: 使えるのは、1 から訓練画像の枚数 {most} までの整数です{left}"
    ),
    " that data.validation={n} leaves": "（data.validation={n} を除いた残り）",
    "data.label_noise={given}: allowed is a number from 0 to 1": (
        "data.label_noise={given}: 使えるのは 0 〜 1 の数です"
    ),
}
