"""What is told of a sweep on a cluster, in Japanese."""

TEMPLATES = {
    "{n} task": "{n} タスク",
    "{n} tasks": "{n} タスク",
    "job {job} submitted: {tasks} for {runs}; their logs: {folder}": (
        "ジョブ {job} を投入しました（{runs}、{tasks}）。ログ：{folder}"
    ),
    "job {job} is at it already; {told}": "ジョブ {job} がすでに投入されています。{told}",
    "{command} says {states}": "{command}：{states}",
    "job {job}: {asked} says {states}": "ジョブ {job}。{asked}：{states}",
    "job {job}: {asked} does not answer here": "ジョブ {job}：ここでは {asked} が答えません",
    "{n} of {all} tasks have begun after {s} s: {asked} says {states}": (
        "{s} 秒で {all} タスクのうち {n} が始まりました。{asked}：{states}"
    ),
    "{n} of {all} tasks have begun after {s} s: does {nodes} see {root}? {asked} says {states}": (
        "{s} 秒で {all} タスクのうち {n} が始まりました。{nodes} から {root} が見えますか。"
        "{asked}：{states}"
    ),
    "a Ray of its own on this machine": "このマシンだけの Ray",
    "Ray at {address} ({n} nodes)": "Ray {address}（{n} ノード）",
    "{where}: {tasks} at a time for {runs}": "{where}：{runs} を同時に {tasks} で訓練します",
    "{asked} lost a task ({why}): what it was at goes on from its checkpoint": (
        "{asked} のタスクが一つ失われました（{why}）。チェックポイントから続けます"
    ),
    "hydra/launcher=ray: Ray is not installed here: pip install '.[ray]'": (
        "hydra/launcher=ray：ここには Ray がありません：pip install '.[ray]'"
    ),
    # Refusals.
    "hydra/launcher=slurm: {refused}; nothing was submitted": (
        "hydra/launcher=slurm：{refused}。何も投入していません"
    ),
    "hydra/launcher=slurm: {refused}; nothing was submitted, what is trained is kept": (
        "hydra/launcher=slurm：{refused}。何も投入していません。訓練済みのものは残っています"
    ),
    "{why} (hydra.launcher.partition={partition}; there are {names})": (
        "{why}（hydra.launcher.partition={partition}。あるのは {names}）"
    ),
    "hydra.launcher.{name}={value}: allowed are {least} and above": (
        "hydra.launcher.{name}={value}：使えるのは {least} 以上です"
    ),
    "hydra.launcher.memory={value}: allowed is such as 4G": (
        "hydra.launcher.memory={value}：4G のように書きます"
    ),
    "hydra.launcher.gpus={n}: nobody asks the cards of another machine; with GPUs type device=gpu,"
    " too": (
        "hydra.launcher.gpus={n}：ほかのマシンの GPU は調べられません。GPU を使うときは device=gpu"
        " も打ってください"
    ),
    "device=gpu: Ray gives a task the cards that it asks for; type hydra.launcher.gpus=1, too": (
        "device=gpu：Ray がタスクに渡すのは、求められた数の GPU です。hydra.launcher.gpus=1 も"
        "打ってください"
    ),
    "hydra.launcher.address={address}: Ray's client has no streams; type this on a node of the"
    " cluster, with address=auto": (
        "hydra.launcher.address={address}：Ray のクライアントではタスクの結果を順に受け取れません。"
        "クラスタのノードで address=auto として打ってください"
    ),
    "hydra.launcher.address={address}: its nodes are dead; nothing was written": (
        "hydra.launcher.address={address}：ノードがどれも停止しています。何も書いていません"
    ),
    "hydra.launcher.address={address}: {why}; nothing was written": (
        "hydra.launcher.address={address}：{why}。何も書いていません"
    ),
    "{words}: no node of this Ray has that; the most of each that one has: {there}": (
        "{words}：これだけあるノードが、この Ray にはありません。一つのノードにある最大は {there}"
    ),
    "hydra/launcher=ray: {host} has not this program ({why}); install the same there": (
        "hydra/launcher=ray：{host} にこのプログラムがありません（{why}）。同じものを入れてください"
    ),
    "hydra/launcher={launcher}: {host} has version {theirs} of this program, here is {ours};"
    " install the same there": (
        "hydra/launcher={launcher}：{host} にあるこのプログラムの版は {theirs}、ここのものは {ours}"
        " です。同じものを入れてください"
    ),
    "{other}; what is trained is kept": "{other}。訓練済みのものは残っています",
    "tasks end without training anything: {asked} says {states}, their logs are in {folder}; what"
    " is trained is kept, the same command goes on": (
        "タスクが何も訓練しないまま終わります。{asked}：{states}。ログは {folder} にあります。"
        "訓練済みのものは残っていて、同じコマンドで続けられます"
    ),
    "tasks end without training anything: {asked} says {why}; what is trained is kept, the same"
    " command goes on": (
        "タスクが何も訓練しないまま終わります。{asked}：{why}。訓練済みのものは残っていて、同じコマンド"
        "で続けられます"
    ),
    "runner.detach=true: these workers end with the sweep's process; it needs a cluster, such as"
    " -m hydra/launcher=slurm": (
        "runner.detach=true：ワーカーは sweep のプロセスとともに終わります。-m hydra/launcher=slurm"
        " のようなクラスタが要ります"
    ),
    "runner.detach=true: tasks of hydra/launcher={launcher} end with the sweep's process": (
        "runner.detach=true：hydra/launcher={launcher} のタスクは sweep のプロセスとともに"
        "終わります"
    ),
    "runner.detach=true: sweep.seeds={seeds} has to decide each look; leave one of them out": (
        "runner.detach=true：sweep.seeds={seeds} は途中の判定ごとに決める必要があります。どちらかを"
        "外してください"
    ),
    "runner.workers={n}: with hydra/launcher={launcher} it is hydra.launcher.tasks that says how"
    " many there are": (
        "runner.workers={n}：hydra/launcher={launcher} では、数は hydra.launcher.tasks で決めます"
    ),
    "How far it is: {command}": "進み具合を見る：{command}",
    "Into MLflow until its end: {command}": "終わりまで MLflow に記録する：{command}",
    "The same command without runner.detach waits for it.": (
        "runner.detach を外して同じコマンドを打つと、終わりまで待ちます。"
    ),
    "the sweep is over; the store is in step": (
        "sweep は終わりました。MLflow の記録はそろっています"
    ),
}
