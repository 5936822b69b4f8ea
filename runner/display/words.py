"""What a sweep prints in another language: what is said here has its template below."""

import sys
from collections.abc import Callable

from runner.config.schema import Config
from runner.record import cells_japanese
from runner.system import language
from runner.system.language import JAPANESE, translated

#: By the English template.
_JAPANESE = {
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
        "最後の状態を残します{space}。エポックを増やすとその続きから学習します（runner.keep）"
    ),
    "final states are not kept{space}; runner.keep=always keeps them": (
        "最後の状態は残しません{space}。runner.keep=always で残ります"
    ),
    "about {time} of training": "学習はおよそ {time}",
    "{told} ({low} to {high})": "{told}（{low} 〜 {high}）",
    "compiled in {s} s": "コンパイルに {s} 秒",
    "its time shows as it trains": "所要時間は学習しながら表示します",
    "{epochs}, {told}": "{epochs}、{told}",
    "{cells}, up to {seeds} = {runs}": "{cells}、{seeds}まで ＝ {runs}",
    "{told}, at most {most} with all looks": "{told}、すべて見ても最大 {most}",
    "{s} s": "{s} 秒",
    "{min} min {s} s": "{min} 分 {s} 秒",
    "{h} h {min} min": "{h} 時間 {min} 分",
    "composing {n} cells": "{n} セルの設定を組み立てます",
    "{n} of {all} cells composed": "{all} セルのうち {n} セルを組み立てました",
    "{n} of {all} cells planned": "{all} セルのうち {n} セルを計画しました",
    # Tasks of a cluster.
    "{n} task": "{n} タスク",
    "{n} tasks": "{n} タスク",
    "job {job} submitted: {tasks} for {runs}; their logs: {folder}": (
        "ジョブ {job} を投入しました（{runs}、{tasks}）。ログ：{folder}"
    ),
    "job {job} is at it already; {told}": "ジョブ {job} がすでに投入されています。{told}",
    "{command} says {states}": "{command}：{states}",
    "{n} of {all} tasks have begun after {s} s: {asked} says {states}": (
        "{s} 秒で {all} タスクのうち {n} が始まりました。{asked}：{states}"
    ),
    "{n} of {all} tasks have begun after {s} s: does {nodes} see {root}? {asked} says {states}": (
        "{s} 秒で {all} タスクのうち {n} が始まりました。{nodes} から {root} が見えますか。"
        "{asked}：{states}"
    ),
    "How far it is: {command}": "進み具合を見る：{command}",
    "Into MLflow until its end: {command}": "終わりまで MLflow に記録する：{command}",
    "The same command without runner.detach waits for it.": (
        "runner.detach を外して同じコマンドを打つと、終わりまで待ちます。"
    ),
    # The live display.
    "runs {n} of {all}": "学習 {n}/{all} 回",
    "epochs {n} of {all}": "エポック {n}/{all}",
    "epoch {n}/{all}": "エポック {n}/{all}",
    "{epoch}, test {percent} %": "{epoch}、テスト {percent} %",
    "compiling, {time}": "コンパイル中、{time}",
    "{n} running": "{n} 回が実行中",
    "{n} failed": "{n} 回が失敗",
    "{n} diverged": "{n} 回が発散",
    "{n} images/s": "{n} 枚/秒",
    "left {time}": "残り {time}",
    # The end.
    "{n} of {all} runs trained and stored. Browse the curves: {command}": (
        "{all} 回のうち {n} 回の学習が終わり、記録されました。学習曲線を見る：{command}"
    ),
    "Change a value and run again: only what is new is trained.": (
        "値を変えてもう一度打つと、新しいものだけを学習します。"
    ),
} | cells_japanese.TEMPLATES


def speaking(config: Config) -> Callable[[str], str]:
    """Says a text in the language of `runner.language`, where standard output has its letters."""
    return speaking_in(config.runner.language)


def speaking_in(asked: str) -> Callable[[str], str]:
    """The same, from the value of `runner.language`, which may not be checked yet."""
    spoken = language.shown(language.spoken(asked), sys.stdout)
    return (lambda text: translated(text, _JAPANESE)) if spoken == JAPANESE else str
