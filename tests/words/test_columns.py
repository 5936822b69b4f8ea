"""How wide a text is on a terminal, and where it is broken."""

from runner.words.columns import width_of, wrapped


def test_a_line_is_broken_where_a_reader_expects_it():
    assert width_of("97 % 精度 e\N{COMBINING ACUTE ACCENT}") == 11
    text = "差は 0.20 ポイント（2.68）です。YES, it is 97 % sure。"
    for width in range(20, 60):
        broken = wrapped(text, width)
        assert max(map(width_of, broken)) <= width
        assert not any(line.startswith(("。", "）", "、", "%", "ポ")) for line in broken)
        assert not any(line.endswith(("（", "0.20", "97")) for line in broken)
        assert "".join(broken).replace(" ", "") == text.replace(" ", "")
    assert wrapped("a_word_too_long for it", 6, "> ", "  ") == [
        "> a_word_too_long",
        "  for",
        "  it",
    ]
