"""Work that another process does: whose code it runs."""

from runner.system import apart


def test_a_file_of_the_working_directory_does_not_stand_in_for_a_package(tmp_path, monkeypatch):
    (tmp_path / "analysis.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    question = {
        "root": tmp_path, "uri": None, "experiment": "ablations", "key": "none", "number": 1,
        "language": "en",
    }  # fmt: skip
    lines, ended = apart.ask("analysis.look", question, 60)
    assert ended is None and "there is no tracking store yet" in lines[0]["refused"]
