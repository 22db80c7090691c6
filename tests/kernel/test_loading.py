"""`%load_ext` is imperceptible, can be repeated, and is undone without a trace."""

from __future__ import annotations

import pytest
from support.asking import assert_one_clear_line

HEAVY = (
    "anthropic",
    "ipywidgets",
    "PIL",
    "pandas",
    "numpy",
    "pydantic",
    "httpx2",
    "genai_prices",
    "anywidget",
    "narwhals",
)


def test_nothing_heavy_is_imported_when_it_returns(fresh_kernel):
    kernel = fresh_kernel(load=False, forked=False)
    done = kernel.run(
        f"%load_ext claude_jupyter\nimport sys\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    )
    assert done.ok, done.error
    assert done.stdout.strip() == "[]"


def test_importing_the_package_is_light_too(fresh_kernel):
    kernel = fresh_kernel(load=False, forked=False)
    done = kernel.run(f"import claude_jupyter, sys\nprint([m for m in {HEAVY!r} if m in sys.modules])")
    assert done.stdout.strip() == "[]"


def test_the_sdk_is_warmed_up_soon_after(fresh_kernel):
    kernel = fresh_kernel(forked=False)
    kernel.wait_for(lambda: kernel.value("'anthropic' in __import__('sys').modules"), timeout=30)


def test_reload_and_unload(fresh_kernel, server):
    kernel = fresh_kernel(forked=False)
    done = kernel.run("%reload_ext claude_jupyter\n%reload_ext claude_jupyter")
    assert done.ok and not done.stderr, done.error + done.stderr
    assert kernel.run("%%claude\nWhy?").ok
    assert len(server.requests) == 1
    names = "sorted(k for k in get_ipython().magics_manager.magics['cell'] if k.startswith('claude'))"
    assert kernel.value(names)
    done = kernel.run("%unload_ext claude_jupyter")
    assert done.ok, done.error
    assert kernel.run("%%claude\nWhy?").error_name == "UsageError"
    assert kernel.run("1 + 1").bundles == [{"text/plain": "2"}]


def test_two_loads_say_nothing(fresh_kernel):
    kernel = fresh_kernel(forked=False)
    done = kernel.run("%load_ext claude_jupyter")
    assert done.ok
    assert "claude" not in done.stderr.lower()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("effort = 'wild'", ["effort", "low"]),
        ("budget = -1", ["budget"]),
        ("prices = {'m': {'input': 1}}", ["output"]),
    ],
)
def test_a_wrong_value_in_a_config_file_is_one_line(line, words, fresh_kernel, tmp_path):
    (tmp_path / "profile_default").mkdir()
    (tmp_path / "profile_default" / "ipython_config.py").write_text(f"c.ClaudeMagics.{line}\n")
    kernel = fresh_kernel({"IPYTHONDIR": str(tmp_path)}, load=False, forked=False)
    assert_one_clear_line(kernel.run("%load_ext claude_jupyter"), "config file", *words)
