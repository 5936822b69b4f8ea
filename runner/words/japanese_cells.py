"""The table of cells, in Japanese."""

#: By the English template. A heading may be broken at its spaces.
TEMPLATES = {
    "{name}: mean {plus_minus} sd over seeds, last epoch": (
        "{name}：最後のエポック、シードの平均 {plus_minus} 標準偏差"
    ),
    "in all cells: {knobs}": "全セル共通：{knobs}",
    "base: {knobs}": "基準：{knobs}",
    "no room here for: {columns} (python -m analysis --table FILE)": (
        "幅が足りず省いた列：{columns}（python -m analysis --table FILE）"
    ),
    "cell": "セル",
    "base": "基準",
    "all": "すべて",
    "points vs base": "基準との差 ポイント",
    "test acc %": "テスト精度 %",
    "train acc %": "訓練精度 %",
    "masked test acc %": "マスクあり テスト精度 %",
    "val acc %": "検証精度 %",
    "train loss": "訓練損失",
    "test loss": "テスト損失",
    "s/run": "秒/回",
    "n": "n",
    "failed": "失敗",
    "diverged": "発散",
}
