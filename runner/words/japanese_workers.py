"""What ends a command, its workers or the use of a card, in Japanese."""

TEMPLATES = {
    # The end of a command.
    "interrupted; what is trained is kept, the same command goes on": (
        "中断しました。学習したものは残っています。同じコマンドで続きから始められます"
    ),
    "{error}; what is trained is kept, the same command goes on": (
        "{error}。学習したものは残っています。同じコマンドで続きから始められます"
    ),
    "{why}; possibly out of memory{limit}; what is trained is kept": (
        "{why}（メモリー不足かもしれません{limit}）。学習したものは残っています"
    ),
    # Workers.
    "workers end without training anything: {why}{told_address_space}; what is trained is kept,"
    " the same command goes on": (
        "ワーカーが何も学習せずに終わります：{why}{told_address_space}。"
        "学習したものは残っています。同じコマンドで続きから始められます"
    ),
    "no reason given": "理由は不明",
    "joblib finds no shared memory here (is /dev/shm read-only?); workers are started without it": (
        "joblib の使う共有メモリーがありません（/dev/shm は読み取り専用ですか）。"
        "それなしでワーカーを起動します"
    ),
    "device=gpu: others hold all memory of {name}: {error}": (
        "device=gpu: {name} のメモリーはすべてほかのプロセスが使っています：{error}"
    ),
    "{name} failed and left the GPU unusable for this process": (
        "{name} が失敗し、このプロセスでは GPU が使えなくなりました"
    ),
    "was not through after {limit_s} s": "{limit_s} 秒たっても終わりませんでした",
    "ended ({how})": "終了しました（{how}）",
    "exit code {code}": "終了コード {code}",
    "signal {name}": "シグナル {name}",
    # Cards.
    "runner.check_card=false trains there all the same": (
        "runner.check_card=false とすれば、それでもそこで学習します"
    ),
    "{command} checks again": "{command} で調べ直せます",
    "device=gpu: CuPy finds no usable GPU here; install it with pip install '.[cuda12]' or"
    " '.[cuda13]' (the driver's CUDA version: nvidia-smi), or train with device=cpu": (
        "device=gpu: CuPy で使える GPU がありません。"
        "pip install '.[cuda12]' か '.[cuda13]' でインストールするか"
        "（ドライバーの CUDA の版は nvidia-smi で）、device=cpu としてください"
    ),
    "CuPy, by which it could be used, is not: pip install '.[{extra}]'": (
        "それを使うための CuPy がありません：pip install '.[{extra}]'"
    ),
    "device=gpu: {name} is here, and {install}": "device=gpu: {name} がありますが、{install}",
    "card: {name} is here, and {install}": "カード：{name} がありますが、{install}",
    "device=gpu: {error}; train with device=cpu": (
        "device=gpu: {error}。device=cpu で学習してください"
    ),
    "card: {error}: the CPU is used": "カード：{error}。CPU を使います",
    "looking for cards, the process {ended}": "カードを探すプロセスが{ended}",
    "card: used unchecked, as runner.check_card=false asks": (
        "カード：runner.check_card=false のため、確かめずに使います"
    ),
    "card: not checked": "カード：確かめていません",
    "card: trying {name} with {networks}, once on this machine": (
        "カード：{name} を{networks}で確かめています（このマシンで一度だけ）"
    ),
    "1 network": "ネットワーク 1 個",
    "{n} networks": "ネットワーク {n} 個",
    "{n} cards ({name})": "カード {n} 枚（{name}）",
    "card: {name} computes what the CPU computes": "カード：{name} の計算は CPU と一致します",
    "{of_cards} images/s there, {of_cores} on {cores}": (
        "カードで {of_cards} 枚/秒、{cores}で {of_cores} 枚/秒"
    ),
    "{told}; {speeds}: the CPU is used": "{told}。{speeds}なので CPU を使います",
    "{told}; {speeds}: the card is used{asked}": "{told}。{speeds}：カードを使います{asked}",
    ", as asked": "（指定どおり）",
    "card: {name}, number {n}, is left out: it does not compute what the CPU computes:"
    " {difference}; {again}": (
        "カード：{n} 番の {name} は使いません。計算が CPU と一致しません：{difference}。{again}"
    ),
    "cannot be tried": "は確かめられません",
    "does not compute what the CPU computes": "の計算は CPU と一致しません",
    "{name} {verdict}: {difference}": "{name} {verdict}：{difference}",
    "device=gpu: {told}; {again}, {insist}": "device=gpu: {told}。{again}。{insist}",
    "card: {told}; the CPU is used; {again}": "カード：{told}。CPU を使います。{again}",
    "its networks agree with different engines": "ネットワークによって一致するエンジンが異なります",
    "; report: {path}": "（報告：{path}）",
    "; {command} prints a report": "（報告は {command} で）",
    "all computes right": "すべて正しく計算しました",
    "something differs: see above": "一致しないものがあります。上を見てください",
}
