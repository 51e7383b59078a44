"""The README's five minutes, typed as they stand there, against a real server."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.architecture.source import ROOT
from tests.support.server import running

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROMPT = "$ "


def test_every_command_of_the_tour_answers_as_it_says(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        steps = _steps(README.replace("http://127.0.0.1:8080", server.url))
        answers = _type([command for command, _ in steps])
        records = server.audit_lines if server.terminate() == 0 else []
    shown = re.findall(r"```json\n(.*?)\n```", README, re.DOTALL)
    assert len(steps) > 10
    for (command, expected), answer in zip(steps, answers, strict=True):
        assert _matches(expected, answer), (command, answer)
    assert len(shown) == 1
    assert _matches(shown[0], records[-1])


def test_an_answer_that_is_not_the_one_shown_is_seen() -> None:
    assert _matches('{"id":"…","state":"Active"}', '{"id":"1f","state":"Active"}')
    assert not _matches('{"id":"…","state":"Active"}', '{"id":"1f","state":"PreActive"}')


def _steps(text: str) -> list[tuple[str, str]]:
    """Return each command of the tour with the lines that the README shows under it."""
    steps: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for typed in re.split(rf"^{re.escape(PROMPT)}", block, flags=re.MULTILINE)[1:]:
            command, _, expected = typed.partition("\n")
            steps.append((command, expected.strip()))
    return steps


def _type(commands: list[str]) -> list[str]:
    """Run the commands in one shell; return what each printed."""
    mark = "--- next ---"
    script = "".join(f"{command}\necho; echo '{mark}'\n" for command in commands)
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [part.strip() for part in done.stdout.split(mark)[:-1]]


def _matches(shown: str, answer: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), answer) is not None
