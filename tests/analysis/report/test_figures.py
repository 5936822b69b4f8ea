"""What the figures draw, and that it is read on any page, in grey and in any language."""

import re

import numpy as np
import pandas as pd
import pytest
import studies
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from studies import claim, frame, grid, known, study

from analysis.report.pictures import curves, effects, formats
from analysis.report.pictures.drawings import drawings
from analysis.report.pictures.style import (
    INK_ON_DARK,
    INTERVAL_COLOUR,
    ON_DARK,
    ONE_COLUMN,
    TWO_COLUMNS,
    line_style,
)
from analysis.report.write import write

WIDTHS = [ONE_COLUMN, TWO_COLUMNS]
LANGUAGES = "ドロップアウトは漢字 한국어 中文 Умножение عربى 🙂"


def texts_of(figure):
    """Every text of a figure with the box in which it is drawn, in inches."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    of_axes = [[*axes.texts, axes.xaxis.label] for axes in figure.axes]
    legends = [legend.get_texts() for legend in figure.legends]
    for text in (text for of in (figure.texts, *of_axes, *legends) for text in of):
        if text.get_text():
            yield text.get_text(), text.get_window_extent(renderer).extents / figure.dpi


def test_the_published_curve_is_drawn_beside_the_runs_in_test_mode_and_with_the_masks_on(tmp_path):
    runs = frame(grid(range(3), model__dropout=[True, False]))
    runs["cell"] = [
        "preset=conv1" if dropout else "preset=book_mlp" for dropout in runs["model.dropout"]
    ]

    def value(run, epoch):
        accuracy = 0.95 + 0.01 * epoch + 0.001 * run["seed"]
        masked = accuracy - 0.1 * run["model.dropout"]
        return {
            "test/accuracy": accuracy,
            "test_masked/accuracy": masked,
            "train_eval/accuracy": 0.9,
            "train/loss": 1,
        }

    decided = study(runs, studies.curves(runs, value), name="published")
    experiments = ["conv1_fc1000x2_dropout"] * 3 + ["book_mlp_1000x2"] * 3
    accuracies = [0.8, 0.85, 0.87] * 2
    recorded = pd.DataFrame(
        {"experiment": experiments, "epoch": [1, 2, 3] * 2, "test_accuracy": accuracies}
    )
    figure = curves.published(decided, recorded)
    conv1, book = figure.axes
    _, masked, given = (line.get_ydata() for line in conv1.get_lines())
    assert masked == pytest.approx([86.1, 87.1, 88.1])
    assert given == pytest.approx([80, 85, 87])
    assert len(book.get_lines()) == 2, "without dropout there are no masks"
    assert conv1.get_ylim()[1] <= 100
    texts = [text for text, _ in texts_of(figure)]
    assert "preset=conv1: test accuracy [%]" in texts and "these runs, masks on" in texts
    page = write(decided, tmp_path / "out", recorded).read_text()
    assert "published test accuracy" in page and "No claim was declared" in page


def test_curves_are_in_the_unit_that_their_axis_names():
    figure = curves.by_metric(known(), ("test/accuracy", "train/loss"))
    accuracy, loss = figure.axes
    # Without noise, channels=30 dropout=false ends at 0.8 + 0.06 + 0.05.
    assert accuracy.get_lines()[3].get_ydata()[-1] == pytest.approx(91, abs=0.2)
    assert loss.get_lines()[3].get_ydata()[-1] == pytest.approx(0.91, abs=0.002)
    texts = [text for text, _ in texts_of(figure)]
    assert texts[:4] == ["test/accuracy [%]", "train/loss [nats]", "epoch", "epoch"]
    assert "channels=30 dropout=false (n = 4)" in texts


@pytest.mark.parametrize("width", WIDTHS)
def test_more_cells_than_lines_are_told_apart_by_have_a_panel_each(width):
    runs = frame(grid(range(2), model__channels=list(range(1, 17))))
    decided = study(runs, studies.curves(runs, lambda run, _: 0.05 * run["model.channels"]))
    assert [drawing.name for drawing in drawings(decided)][:2] == ["curves", "curves-loss"]
    figure = curves.by_cell(decided, ("test/accuracy", "train_eval/accuracy"), width)
    assert len(figure.axes) == 16 and len({axes.get_ylim() for axes in figure.axes}) == 1
    assert figure.axes[2].get_lines()[0].get_ydata() == pytest.approx([15] * 3)
    (others,) = figure.axes[2].collections[:1]
    assert len(others.get_segments()) == 16


def test_each_claim_of_the_forest_is_turned_as_it_says_and_named_by_its_sentence():
    # Dropout costs 2 to 2.3 points, which are 10 to 12 margins.
    says = {"less": "Dropout costs", "greater": "Dropout brings", "either": "Dropout matters"}
    claims = {way: claim(says=text, direction=way) for way, text in says.items()}
    figure = effects.forest(known(claims=claims))
    (axes,) = figure.axes
    middles = [line.get_xdata()[0] for line in axes.get_lines()[1:6:2]]
    assert np.sign(middles).tolist() == [1, -1, 1]
    assert np.abs(middles) == pytest.approx([10.75] * 3)
    names = [" ".join(text.split()) for text, _ in texts_of(figure)][:3]
    assert names == [
        "Dropout costs: YES",
        "Dropout brings: NO, THE OPPOSITE",
        "Dropout matters: YES",
    ]


@pytest.mark.parametrize("cost, face", [(0.02, "none"), (0.02001, INTERVAL_COLOUR)])
def test_an_estimate_without_a_sure_range_is_an_open_dot(cost, face):
    """Four seeds that all agree are judged by their median, whose interval has no ends."""
    runs = frame(grid(range(4), model__dropout=[True, False]))

    def value(run, epoch):
        return 0.9 + 0.001 * run["seed"] - (cost if run["seed"] else 0.02) * run["model.dropout"]

    decided = study(runs, studies.curves(runs, value), claims={"one": claim(says="Dropout helps")})
    (axes,) = effects.forest(decided).axes
    assert axes.get_lines()[1].get_markerfacecolor() == face


@pytest.mark.parametrize("width", WIDTHS)
def test_no_text_reaches_beyond_the_figure_or_into_another(width):
    long = "Thirty channels reach a higher final test accuracy than any other number that was tried"
    claims = {
        "one": claim(says=long, metric="final(test/accuracy)", minus="final(test_masked/accuracy)"),
        "two": claim(says="More", knob="model.channels", levels=[30, 1]),
    }
    decided = known(claims=claims)
    for drawing in drawings(decided):
        figure = drawing.draw(width)
        _, height = figure.get_size_inches()
        boxes = []
        for text, (x0, y0, x1, y1) in texts_of(figure):
            assert 0 <= x0 and x1 <= width and -0.03 <= y0 and y1 <= height + 0.03, (
                drawing.name, text,
            )  # fmt: skip
            boxes.append((x0, y0, x1, y1, text))
        for place, (x0, y0, x1, y1, text) in enumerate(boxes):
            for a0, b0, a1, b1, other in boxes[place + 1 :]:
                apart = x1 <= a0 or a1 <= x0 or y1 <= b0 + 0.01 or b1 <= y0 + 0.01
                assert apart, (drawing.name, text, other)


def test_any_language_stays_text_in_svg_and_pdf_and_nothing_warns():
    made = effects.forest(known(claims={"one": claim(says=LANGUAGES)}))
    svg = formats.svg(made).decode()
    assert "ドロップアウトは漢字" in " ".join(re.findall(r"<text[^>]*>([^<]*)", svg))
    assert '"Noto Sans CJK JP"' in svg and INK_ON_DARK in svg
    assert b"/FontType 42" in formats.pdf(made) or b"/CIDFontType2" in formats.pdf(made)
    assert formats.png(made).startswith(b"\x89PNG")


@pytest.mark.parametrize("ending", ["svg", "pdf", "png"])
def test_a_figure_has_the_same_bytes_whenever_it_is_drawn(ending):
    first, second = (formats.FORMATS[ending](effects.forest(known())) for _ in range(2))
    assert first == second


def test_a_report_has_a_figure_for_one_column_and_for_two_where_they_are_asked_for(tmp_path):
    folder = write(known(claims={}), tmp_path / "out", figures=["pdf"]).parent / "figures"
    assert not list(folder.glob("*.png"))
    for name, inches in (("one-column", ONE_COLUMN), ("two-columns", TWO_COLUMNS)):
        (box,) = re.findall(rb"/MediaBox \[([^]]*)\]", (folder / f"curves-{name}.pdf").read_bytes())
        assert float(box.split()[2]) == pytest.approx(72 * inches)


def test_lines_are_told_apart_without_colours_and_marks_in_grey_print():
    styles = [line_style(place) for place in range(curves.MAX_LINES)]
    without_colour = {(style["linestyle"], style["marker"]) for style in styles}
    assert len(without_colour) == len(styles)
    first, second = (sum(to_rgb(style["color"])) for style in styles[:2])
    assert first != second


def test_lines_stand_out_on_a_dark_page():
    def luminance(colour):
        share = np.array(to_rgb(colour))
        levels = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return levels @ (0.2126, 0.7152, 0.0722)

    colours = {line_style(place)["color"].lower() for place in range(curves.MAX_LINES)}
    assert set(ON_DARK) <= colours
    for colour in colours:
        on_page = luminance(ON_DARK.get(colour, colour)) + 0.05
        assert on_page / (luminance("#16181c") + 0.05) > 4.5, colour
    # Of the colour that a figure writes, so that the style of the file finds it.
    svg = formats.svg(effects.estimation_plot(known().decisions[0])).decode()
    drawn = svg.partition("</style>")[2]
    assert all(f": {colour}" in drawn for colour in ON_DARK)


def test_a_claim_is_drawn_with_the_interval_of_its_words():
    runs, epochs = studies.with_effect(lambda run: 0.0)
    decided = study(runs, epochs, claims={"same": claim(margin=0.002)})
    decision = decided.decisions[0]
    assert decision.verdict == "EQUIVALENT"
    figure, interval = effects.estimation_plot(decision), decision.interval
    assert interval.level == pytest.approx(0.90)
    assert any("90 % interval" in " ".join(text.split()) for text, _ in texts_of(figure))
    ends = np.array([interval.low, interval.high])
    at = [line.get_ydata() for line in figure.axes[1].lines if list(line.get_xdata()) == [0.4, 0.4]]
    np.testing.assert_allclose(at, [100 * ends], rtol=1e-12)
    rows = [line.get_xdata() for line in effects.forest(decided).axes[0].lines]
    assert any(np.allclose(row, ends / 0.002, rtol=1e-12) for row in rows if len(row) == 2)
