"""What goes wrong at the keyboard gets one clear line; nothing is sent by accident, and the next question works."""

from __future__ import annotations

import pytest
from support.asking import ask, assert_next_works, assert_one_clear_line, sent_text
from support.raw_server import answer, failure, raw_server


@pytest.mark.parametrize(
    "cell", ["%%claude", "%%claude\n", "%%claude\n  \n\n", "%claude", "%claude   ", "%claude --once"]
)
def test_an_empty_cell_sends_nothing(cell, kernel, server):
    assert_one_clear_line(kernel.run(cell))
    assert server.requests == []
    assert_next_works(kernel, server)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--efort high", ["--efort", "--effort"]),
        ("--effort hihg", ["hihg", "high"]),
        ("--rows some", ["some", "none"]),
        ("--param max_tokens", ["--param"]),
        ("salse", ["salse", "sales"]),
        ("-f nowhere.csv", ["nowhere.csv"]),
        ("-f", ["-f"]),
        ("-m", ["-m"]),
    ],
)
def test_a_line_that_cannot_be_read_names_what_was_meant(line, words, kernel, server):
    kernel.run("sales = 1")
    assert_one_clear_line(ask(kernel, "Why?", line), *words)
    assert server.requests == []
    assert_next_works(kernel, server)


@pytest.mark.parametrize(
    ("model", "meant"), [("claude-sonet-5-5", "claude-sonnet-5-5"), ("sonet", "sonnet"), ("opsu", "opus")]
)
def test_a_model_the_service_does_not_know(model, meant, kernel, server):
    server.reset(failure(404, "not_found_error", f"model: {model}"))
    assert_one_clear_line(ask(kernel, "Why?", f"-m {model}"), model, meant)
    assert_next_works(kernel, server)


def test_no_key(fresh_kernel, server):
    kernel = fresh_kernel({"ANTHROPIC_API_KEY": ""})
    done = ask(kernel, cell_id="a")
    assert_one_clear_line(done, "%claude_key", "ANTHROPIC_API_KEY", "demo")
    assert server.requests == []
    kernel.run("import os; os.environ['ANTHROPIC_API_KEY'] = 'a-key-set-later'")
    assert_next_works(kernel, server)
    assert server.requests[-1].headers["authorization"] == "Bearer a-key-set-later"


def test_only_the_notebooks_own_folder_gives_a_key(fresh_kernel, server, tmp_path):
    kernel = fresh_kernel({"ANTHROPIC_API_KEY": "", "CLAUDE_JUPYTER_REPLAY": "auto"})
    other = tmp_path / "cloned"
    other.mkdir()
    (other / ".env").write_text("ANTHROPIC_API_KEY=key-of-another-folder\n")
    kernel.run("import os; os.chdir('cloned')")
    assert_one_clear_line(ask(kernel, cell_id="a"), "%claude_key")
    assert server.requests == []
    (tmp_path / ".env").write_text("ANTHROPIC_API_KEY=key-of-this-folder\n")
    assert ask(kernel, cell_id="a").ok
    assert server.requests[-1].headers["authorization"] == "Bearer key-of-this-folder"
    assert list((tmp_path / ".claude_replay").iterdir()) and not (other / ".claude_replay").exists()


def test_a_wrong_key(fresh_kernel, server):
    server.reset(failure(401, "authentication_error", "invalid x-api-key"))
    kernel = fresh_kernel({"ANTHROPIC_API_KEY": "wrong-key-0123456789"})
    done = ask(kernel)
    assert_one_clear_line(done, "%claude_key")
    assert "wrong-key-0123456789" not in str(done)
    assert len(server.requests) == 1
    assert_next_works(kernel, server)


@pytest.mark.parametrize(
    "cell",
    [
        "key = 'sk-ant-api03-{}'",
        "import os\nos.environ['ANTHROPIC_API_KEY'] = 'sk-ant-api03-{}'",
        "%env ANTHROPIC_API_KEY=sk-ant-api03-{}",
    ],
)
def test_a_key_typed_into_a_cell_is_warned_of(cell, fresh_kernel):
    kernel = fresh_kernel()
    secret = "Ab3dEf6hIj9lMn2pQr5t" * 4
    done = kernel.run(cell.format(secret), cell_id="a")
    shown = done.stderr + str(done.bundles)
    assert "%claude_key" in shown
    assert secret not in done.stderr


def test_a_key_as_an_argument_is_refused(kernel, server):
    done = ask(kernel, "Why?", "--param api_key='\"sk-ant-api03-typed-into-the-line\"'")
    assert_one_clear_line(done, "%claude_key")
    assert "typed-into-the-line" not in done.error
    assert server.requests == []


def test_a_hostile_env_file_cannot_lead_the_key_elsewhere(fresh_kernel, server, tmp_path):
    folder = tmp_path / "cloned"
    folder.mkdir()
    with raw_server(answer("I have your key.")) as evil:
        lines = [
            f"ANTHROPIC_BASE_URL={evil.url}",
            f"HTTPS_PROXY={evil.url}",
            f"ALL_PROXY={evil.url}",
            "ANTHROPIC_CUSTOM_HEADERS=x-evil: 1",
            "ANTHROPIC_PROFILE=evil",
        ]
        (folder / ".env").write_text("\n".join(lines))
        kernel = fresh_kernel(folder=folder)
        done = ask(kernel)
        assert done.ok, done.error
        assert evil.requests == evil.others == []
        assert "x-evil" not in server.requests[-1].headers
        (folder / ".env").write_text("\n".join(["ANTHROPIC_API_KEY=key-of-the-env-file", *lines]))
        assert_next_works(kernel, server)
        assert evil.requests == evil.others == []


def test_an_env_file_may_give_key_and_endpoint_together(fresh_kernel, server, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".env").write_text(f"ANTHROPIC_API_KEY=of-the-project\nANTHROPIC_BASE_URL={server.url}\n")
    kernel = fresh_kernel({"ANTHROPIC_API_KEY": "", "ANTHROPIC_BASE_URL": ""}, folder=folder)
    done = ask(kernel)
    assert done.ok, done.error
    assert server.requests[-1].headers["authorization"] == "Bearer of-the-project"
    assert kernel.value("__import__('os').environ.get('ANTHROPIC_API_KEY')") == ""


PROMPTS = [
    'Return {"a": 1, "b": [1, 2, {"x": null}]} please',
    r"The mean $\bar{x}$ and $x_{n}$, $$\sum_{x} {x}$$ and \(\hat{x}\), \[{x}\]",
    'f"{undefined!r:>10}" and "{0} {}".format(y) and f"{x:no such format}"',
    "an open { brace, a closed } one, {x and x}, {{, }}",
    "{not a name} {x.missing} {x[99]} {undefined} {1 + 1} {x()} {print(x)}",
    "```python\nprint(f'{x}')\n```",
    "$HOME $x !ls %x @x ~x ?x",
    r"\frac{x}{y} and C:\temp\x",
]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_braces_and_formulas_stay_as_typed(prompt, kernel, server):
    kernel.run("x = 'SENT BY ACCIDENT'")
    done = ask(kernel, prompt)
    assert done.ok, done.error
    assert prompt in sent_text(server)
    assert "SENT BY ACCIDENT" not in server.requests[-1].body.decode()


def test_doubled_braces_are_literal_and_single_ones_are_values(kernel, server):
    kernel.run("x = 3.14159")
    ask(kernel, "{x:.2f} is {{x}}, {x} is not")
    assert "3.14 is {x}, 3.14159 is not" in sent_text(server)


QUESTIONS = [
    ("%claude what is this?", "what is this?"),
    ("%claude what is this??", "what is this??"),
    ("x = %claude why?", "why?"),
    ("if True:\n    %claude why is it?", "why is it?"),
    ('%claude it\'s a "quote" # and a {brace} $x', 'it\'s a "quote" # and a {brace} $x'),
    ("%claude --once -- --effort is what?", "--effort is what?"),
    ("# a comment\n\n%%claude\nwhy?", "why?"),
]


@pytest.mark.parametrize(("cell", "prompt"), QUESTIONS)
def test_a_line_arrives_byte_for_byte(cell, prompt, kernel, server):
    done = kernel.run(cell)
    assert done.ok, done.error
    assert len(server.requests) == 1
    assert sent_text(server).rstrip("\n").endswith(prompt)


@pytest.mark.parametrize("cell", ["%claude?", "%%claude?"])
def test_help_is_still_help(cell, kernel, server):
    assert kernel.run(cell).ok
    assert server.requests == []


def test_a_huge_prompt_goes_whole(kernel, server):
    kernel.run("%config ClaudeMagics.confirm_above = 1000")
    prompt = "word " * 1_000_000
    done = ask(kernel, prompt, timeout=120)
    assert done.ok, done.error
    assert len(sent_text(server)) >= len(prompt) - 1
    assert len(server.requests) == 1
    kernel.run("claude.clear()\n%config ClaudeMagics.confirm_above = 1.0")


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, "invalid_request_error", "prompt is too long: 1250000 tokens > 1000000 maximum"),
        (413, "request_too_large", "Request exceeds the maximum size"),
    ],
)
def test_a_huge_prompt_that_the_service_refuses(status, kind, said, kernel, server):
    kernel.run("%config ClaudeMagics.confirm_above = 1000")
    server.reset(failure(status, kind, said))
    assert_one_clear_line(ask(kernel, "word " * 1_000_000, timeout=120))
    kernel.run("%config ClaudeMagics.confirm_above = 1.0")
    assert_next_works(kernel, server)
