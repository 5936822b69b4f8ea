"""Why a command or a configuration is refused, in Japanese."""

TEMPLATES = {
    # What was typed.
    "{message} ({command} --help)": "{message}（{command} --help）",
    "--experimental-rerun is not supported; type the command again": (
        "--experimental-rerun は使えません。コマンドをもう一度打ってください"
    ),
    "-sc query is what a shell asks while a command is typed; COMP_LINE is not set": (
        "-sc query は入力中にシェルが尋ねるもので、COMP_LINE が設定されていません"
    ),
    'tab completion is for the command ablation-runner; type: eval "$(ablation-runner -sc'
    ' install=bash)"': (
        "Tab 補完はコマンド ablation-runner のものです。次を打ってください："
        'eval "$(ablation-runner -sc install=bash)"'
    ),
    "; allowed is KEY=VALUE": "。書き方は KEY=VALUE です",
    "; did you mean {word}=true?": "。もしかして {word}=true ですか",
    "; did you mean {near}?": "。もしかして {near} ですか",
    "no '=' in {typed}{hint}": "{typed} に '=' がありません{hint}",
    "{typed}: allowed is KEY=VALUE": "{typed}: 書き方は KEY=VALUE です",
    "{typed}: allowed is {allowed}": "{typed}: 使えるのは、{allowed}です",
    "{key}: claims are declared in a file of sweeps/, not on the command line": (
        "{key}: 主張はコマンドラインではなく sweeps/ のファイルで宣言します"
    ),
    "{key}: metrics are named in a file of sweeps/ or conf/, not on the command line": (
        "{key}: 指標はコマンドラインではなく sweeps/ か conf/ のファイルに書きます"
    ),
    "{key}: given twice ({typed_before} and {typed}); give it once": (
        "{key}: 二度指定されています（{typed_before} と {typed}）。一度だけにしてください"
    ),
    "{key}: set by the sweeper for its workers, not by hand": (
        "{key}: sweeper がワーカーのために決める値で、手では指定しません"
    ),
    "{typed} is a list of values and needs -m; type: {command}": (
        "{typed} は値の並びなので -m が必要です。次を打ってください：{command}"
    ),
    "{typed} is a sweep and needs -m; type: {command}": (
        "{typed} は sweep なので -m が必要です。次を打ってください：{command}"
    ),
    "{typed} is about a sweep and needs -m; type: {command}": (
        "{typed} は sweep についての指定なので -m が必要です。次を打ってください：{command}"
    ),
    "{typed} {following}: a space after the comma: type {whole}": (
        "{typed} {following}: コンマの後に空白があります。{whole} と打ってください"
    ),
    "{typed}: a knob cannot be removed; give it a value": (
        "{typed}: ノブは取り除けません。値を指定してください"
    ),
    "{typed}: a launcher's settings are plain values, without _target_ and {dollar}": (
        "{typed}: launcher の設定に書けるのはただの値です（_target_ と {dollar} は使えません）"
    ),
    "{typed}: a sweep needs its values one by one; allowed are a,b,c and range(a,b)": (
        "{typed}: sweep の値は一つずつ挙げます。書き方は a,b,c か range(a,b) です"
    ),
    "{typed}: allowed is the name of one file of {place} ({command} --help lists them)": (
        "{typed}: 使えるのは {place} のファイル一つの名前です（{command} --help に一覧）"
    ),
    "{typed}: every knob exists already; write {bare}": (
        "{typed}: ノブはどれもすでにあります。{bare} と書いてください"
    ),
    "{typed}: how many workers there are is runner.workers": (
        "{typed}: ワーカーの数は runner.workers で決めます"
    ),
    "{typed}: nested more than {deepest} deep": "{typed}: {deepest} 段より深い入れ子です",
    "{typed}: of Hydra's own settings only hydra/launcher and hydra.launcher.* may be given": (
        "{typed}: Hydra の設定で指定できるのは hydra/launcher と hydra.launcher.* だけです"
    ),
    "{typed}: one sweep at a time; type them as separate commands": (
        "{typed}: sweep は一度に一つです。別々のコマンドで打ってください"
    ),
    "{typed}: says which runs a sweep has and is not swept; give one value": (
        "{typed}: sweep がどの学習から成るかの指定で、並べることはできません。"
        "値は一つにしてください"
    ),
    "{typed}: sweep.cells is given in a file of sweeps/ and not on the command line": (
        "{typed}: sweep.cells はコマンドラインではなく sweeps/ のファイルで指定します"
    ),
    "{typed}: type {quoted}, with its quotes": (
        "{typed}: 引用符もつけて {quoted} と打ってください"
    ),
    "{typed}: {code} names code, and is given in a file of conf/ and not on the command line": (
        "{typed}: {code} はコードを指すので、コマンドラインではなく conf/ のファイルで指定します"
    ),
    "{typed}: {target} is given in a file of conf/ and not on the command line": (
        "{typed}: {target} はコマンドラインではなく conf/ のファイルで指定します"
    ),
    "{word}: cannot be read as KEY=VALUE; a text with other signs than letters, digits and"
    " _-.:/ goes in quotes: \"KEY='...'\"": (
        "{word}: KEY=VALUE として読めません。英数字と _-.:/ 以外を含む文字列は引用符で囲みます："
        "\"KEY='...'\""
    ),
    "In 'config': Could not find '{option}' Available options in '{group}': {names}": (
        "{option} がありません。{group} にあるのは：{names}"
    ),
    "{key}: Value '{value}' of type '{type}' could not be converted to {kind}; allowed is"
    " {allowed}": ("{key}: {value}（{type}）は {kind} にできません。使えるのは、{allowed}です"),
    # Knobs and their values.
    "{key}: there is no such knob{hint} ({command} --help lists them)": (
        "{key}: そのようなノブはありません{hint}（{command} --help に一覧）"
    ),
    "{key}={value}{origin}: allowed is {allowed}": (
        "{key}={value}{origin}: 使えるのは、{allowed}です"
    ),
    "{key}={value}: allowed are {names}": "{key}={value}: 使えるのは {names} です",
    "{key}={value}: has {n} characters, and MLflow takes {longest_parameter}": (
        "{key}={value}: {n} 文字あります。MLflow に入るのは {longest_parameter} 文字までです"
    ),
    "{key}: has no value; allowed is {allowed}": "{key}: 値がありません。使えるのは、{allowed}です",
    "{key}: the sweep's file gives sweep.around; name the level there": (
        "{key}: sweep.around は sweep のファイルにあります。水準はそこに書いてください"
    ),
    " (from {variable})": "（{variable} による）",
    "; allowed is {allowed}": "。使えるのは、{allowed}です",
    "a value": "値",
    "a dictionary": "辞書",
    "a finite number": "有限の数",
    "a list of epochs in rising order, such as [10,20]": (
        "[10,20] のような、小さい順のエポックの並び"
    ),
    "a number above 0": "0 より大きい数",
    "a number from 0 to below 1": "0 以上 1 未満の数",
    "a number above 0, at most 1": "0 より大きく 1 以下の数",
    "a number above 0, at most 100": "0 より大きく 100 以下の数",
    "a number from 0 to 1": "0 〜 1 の数",
    "a number from 0 to 10000": "0 〜 10000 の数",
    "a number of seconds from 0 to 86400": "0 〜 86400 の秒数",
    "a number of seconds up to 1e9, or 0 for no limit": "1e9 までの秒数、または 0（制限なし）",
    "a number of minutes up to 1e7, or 0 for no limit": "1e7 までの分数、または 0（制限なし）",
    "in a file of conf/ or sweeps/ alone, such as {example}": (
        "conf/ か sweeps/ のファイルでの {example} のような指定"
    ),
    "a printable text of 1 to 500 characters": "1 〜 500 文字の表示できる文字列",
    "a text, a finite number, true, false, null, or a list or dictionary of these": (
        "文字列、有限の数、true、false、null、またはそれらのリストか辞書"
    ),
    "an integer": "整数",
    "an integer from {low} to {high}": "{low} 〜 {high} の整数",
    "an integer from 1 to the number of training images": "1 〜 訓練画像の枚数 の整数",
    "an integer from 0 to 2^63 - 1": "0 〜 2^63 - 1 の整数",
    "an integer from {low} to {high}, or {also}": "{low} 〜 {high} の整数、または {also}",
    "null or {values}": "null または {values}",
    "null or a dictionary": "null または辞書",
    "null or a power of two from 4 to 4096": "null または 4 〜 4096 の 2 のべき乗",
    "null or an integer from 1 on": "null または 1 以上の整数",
    "null or, in a file of sweeps/ alone, a list such as {example}": (
        "null または（sweeps/ のファイルでだけ）{example} のような並び"
    ),
    "null, or 1 to 8 blocks of 1 to 16 channel counts from 1 to 4096, such as [[16,16],[32,32]]": (
        "null、または [[16,16],[32,32]] のような 1 〜 8 個のブロック"
        "（それぞれ 1 〜 4096 のチャネル数を 1 〜 16 個）"
    ),
    "null, sqlite:///FILE, another database, or http(s)://HOST:PORT of a server": (
        "null、sqlite:///FILE、ほかのデータベース、またはサーバーの http(s)://HOST:PORT"
    ),
    "one of {names}": "{names} のどれか",
    "true or false": "true か false",
    "what {group}=NAME chooses; it is not typed": (
        "{group}=NAME で選ばれるもの（打つものではありません）"
    ),
    "optimizer.schedule.at=[]: allowed with optimizer.schedule.kind=step is a list of one epoch"
    " or more, such as [10,20]": (
        "optimizer.schedule.at=[]: optimizer.schedule.kind=step では、"
        "[10,20] のようにエポックを一つ以上並べます"
    ),
    # One's own files.
    "{file}: not a file": "{file}: ファイルではありません",
    "{file}: anchors and tags are not allowed; write the values out": (
        "{file}: アンカーとタグは使えません。値をそのまま書いてください"
    ),
    "{file}: larger than {max_yaml_bytes} bytes; a file of values is small": (
        "{file}: {max_yaml_bytes} バイトを超えています。値のファイルはもっと小さいはずです"
    ),
    "{folder}: holds more than {max_files} files; --config-dir is a folder of YAML files": (
        "{folder}: ファイルが {max_files} 個を超えています。"
        "--config-dir には YAML ファイルのフォルダを指定します"
    ),
    "{file}: {group}={stem} ships already; give yours another name": (
        "{file}: {group}={stem} は初めからあります。別の名前にしてください"
    ),
    "; it has {allowed}": "。あるのは {allowed} です",
    "{section}.{key}: it is given by the program, not by hand": (
        "{section}.{key}: プログラムが渡すもので、手では指定しません"
    ),
    "{section}.{key}: it is not given; choose a file of conf/{section}/: {section}=NAME": (
        "{section}.{key}: 直接は指定しません。"
        "conf/{section}/ のファイルを {section}=NAME で選んでください"
    ),
    "{section}.{label}={values}: it is not given; choose a file of conf/{section}/:"
    " {section}=NAME": (
        "{section}.{label}={values}: 直接は指定しません。"
        "conf/{section}/ のファイルを {section}=NAME で選んでください"
    ),
    "{section}.{key}: it is {section}.{first}; give it once": (
        "{section}.{key}: {section}.{first} と同じものです。一度だけ指定してください"
    ),
    "{section}.{key}: the file of conf/{section}/ for {place} does not list it; add {key}:"
    " VALUE there, and it is a knob": (
        "{section}.{key}: {place} のための conf/{section}/ のファイルにありません。"
        "そこに {key}: VALUE を加えるとノブになります"
    ),
    "{section}.{key}: {place} has no {key}{hint}": (
        "{section}.{key}: {place} に {key} はありません{hint}"
    ),
    "{section}.{label}: under this key the name of {place} is recorded; give its parameter"
    " {label} another name": (
        "{section}.{label}: このキーには {place} の名前が記録されます。"
        "引数 {label} を別の名前にしてください"
    ),
    "{section}.{name}: {place} needs it; give it in the file of conf/{section}/": (
        "{section}.{name}: {place} に必要です。conf/{section}/ のファイルで指定してください"
    ),
    "{section}.{target}={given}: {error}; allowed is the import path of a class or function in"
    " this folder or an installed package": (
        "{section}.{target}={given}: {error}。使えるのは、"
        "このフォルダかインストールされたパッケージのクラスか関数の import パスです"
    ),
    "{section}: its file of conf/{section}/ needs a line {target}: MODULE.NAME, the import path"
    " of what makes it; there is {given}": (
        "{section}: conf/{section}/ のファイルには {target}: MODULE.NAME の行"
        "（作るものの import パス）が必要です。今は {given} です"
    ),
    "{target} ({file}, line {n})": "{target}（{file}、{n} 行目）",
    "there is no module {module}": "モジュール {module} がありません",
    "{file} has no {name}": "{file} に {name} がありません",
    "the module {module} has no {name}{hint}": "モジュール {module} に {name} がありません{hint}",
}
