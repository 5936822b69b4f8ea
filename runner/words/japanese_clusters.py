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
    "How far it is: {command}": "進み具合を見る：{command}",
    "Into MLflow until its end: {command}": "終わりまで MLflow に記録する：{command}",
    "The same command without runner.detach waits for it.": (
        "runner.detach を外して同じコマンドを打つと、終わりまで待ちます。"
    ),
    "the sweep is over; the store is in step": (
        "sweep は終わりました。MLflow の記録はそろっています"
    ),
}
