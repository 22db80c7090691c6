"""Who is measured: one row each, with what is installed and the cells that a user of it types, as its own documentation has them.

Plain data. `PROMPT` in a cell stands for the question; `cannot` says in one line why a row of the table has no figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MODEL: Final = "claude-sonnet-5-5"
KEY: Final = "not-a-key"
OURS: Final = "claude-jupyter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One way to ask Claude from a notebook.

    Attributes
    ----------
    packages
        What is installed into an environment of its own; empty for the interpreter that runs the benchmark.
    load
        The first cell of a notebook; `setup` what else must run before the first question.
    ask
        The cell that asks; `forget` clears the history, so that each question stands alone.
    session
        The first question of a conversation about `documents` (a list of texts), and those after it.
    frame, image, bulk
        Python that makes `text` of the dataframe `df`; `data` (base64) of the file `path`; `answers` of the list `rows`.
    note
        What has to be known of all its figures.
    remarks
        By group of rows: what has to be known to read its figures there.
    environment
        What points it to the stub server; `{url}` is the server.
    """

    name: str
    load: str = ""
    ask: str = ""
    packages: tuple[str, ...] = ()
    setup: str = ""
    forget: str = ""
    session: tuple[str, str] | None = None
    frame: str = ""
    image: str = ""
    bulk: str = ""
    note: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    cannot: Mapping[str, str] = field(default_factory=dict[str, str])
    remarks: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def variables(self) -> dict[str, str]:
        """What every one of them gets, and its own."""
        return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "{url}", **self.environment}


LUMPS: Final = "plain text, not Markdown, in lumps of 0.2 s (print without flush)"
PLAIN: Final = "plain text, not Markdown"
NO_LEDGER: Final = {"ledger": "keeps no ledger"}
JOINED: Final = r"'\n\n'.join([PROMPT, *documents])"

ALTERNATIVES: Final = (
    Alternative(
        name=OURS,
        load="%load_ext claude_jupyter",
        setup="from claude_jupyter import claude",
        ask="%%claude --once\nPROMPT",
        session=("claude.ask(PROMPT, *documents)", "claude.ask(PROMPT)"),
        remarks={
            "frame": "above 100,000 rows statistics are those of the first 100,000, and the profile says so"
        },
        frame="from claude_jupyter.content import attach\nfrom claude_jupyter.content.rules import Rules\n"
        "text = ''.join(block.get('text', '') for a in attach(df, 'df', Rules()) for block in a.blocks)",
        image="from pathlib import Path\nfrom claude_jupyter.content.images import convert as images\n"
        "from claude_jupyter.content.rules import Rules\nfrom claude_jupyter.models import facts\n"
        f"data = images.from_bytes(Path(path).read_bytes(), 'photo', Rules(model=facts('{MODEL}'))).blocks[-1]['source']['data']",
        bulk="%config ClaudeMagics.confirm_above = 1000\nanswers = claude.map(rows, 'Is this review positive?')",
    ),
    Alternative(
        name="jupyter-ai",
        packages=("jupyter-ai-magic-commands", "pandas"),
        load="%load_ext jupyter_ai_magic_commands",
        # By itself it looks for its price table on the internet at import.
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        ask=f"%%ai anthropic/{MODEL}\nPROMPT",
        forget="%ai reset",
        # By itself it remembers two exchanges: the document would be gone at the fourth question.
        session=(
            "%config AiMagics.max_history = 40\ndocument = '\\n\\n'.join(documents)\n"
            f"get_ipython().run_cell_magic('ai', 'anthropic/{MODEL}', PROMPT + '\\n\\n{{document}}')",
            f"get_ipython().run_cell_magic('ai', 'anthropic/{MODEL}', PROMPT)",
        ),
        frame="text = '{df}'.format(df=df)",
        remarks={
            "frame": "str(df): first and last rows, no types, no statistics",
            "session": "max_history raised from 2; no caching",
        },
        cannot={"image": "takes no images", "map": "no bulk call", **NO_LEDGER},
    ),
    Alternative(
        name="chatlas",
        packages=("chatlas", "anthropic", "Pillow"),
        load="from chatlas import ChatAnthropic",
        setup=f"chat = ChatAnthropic(model='{MODEL}')",
        ask="_ = chat.chat('PROMPT')",
        forget="chat.set_turns([])",
        session=("_ = chat.chat(PROMPT, *documents)", "_ = chat.chat(PROMPT)"),
        image="from chatlas import content_image_file\ndata = content_image_file(path, resize='high').data",
        remarks={"map": "10 at once and 500 a minute by itself; raised to what the server allows"},
        bulk="from chatlas import parallel_chat_text\nanswers = await parallel_chat_text(chat,"
        " ['Is this review positive?\\n\\n' + row for row in rows], max_active=50, rpm=1_000_000)",
        cannot={"frame": "takes no dataframe", **NO_LEDGER},
    ),
    Alternative(
        name="claudette",
        packages=("claudette", "anthropic<1"),
        note="run with anthropic<1: with later ones its newest release ends in a TypeError (`temperature`)",
        load="from claudette import *",
        setup=f"chat = Chat('{MODEL}', cache=True)",
        ask="for part in chat('PROMPT', stream=True): print(part, end='')",
        forget="chat.h = []",
        session=(
            f"for part in chat({JOINED}, stream=True): print(part, end='')",
            "for part in chat(PROMPT, stream=True): print(part, end='')",
        ),
        image="from pathlib import Path\nfrom claudette import mk_msg\n"
        "data = mk_msg([Path(path).read_bytes(), 'What is this?'])['content'][0]['source']['data']",
        cannot={"frame": "takes no dataframe", "map": "no bulk call", **NO_LEDGER},
        remarks={"answer": LUMPS, "page": LUMPS},
    ),
    Alternative(
        name="genai",
        packages=("genai", "pandas<3"),
        load="%load_ext genai",
        note="speaks Chat Completions alone; the stub server gives it the same answers in that format",
        environment={"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": "{url}/v1"},
        ask="%%assist --fresh\nPROMPT",
        frame="from genai.context import repr_genai\ntext = repr_genai(df)",
        cannot={
            "session": "no Claude models; cuts the history to 2,048 tokens",
            "image": "takes no images",
            "map": "no bulk call",
            **NO_LEDGER,
        },
    ),
    Alternative(
        name="SDK print",
        packages=("anthropic",),
        load="import anthropic",
        setup="client = anthropic.Anthropic()\nhistory = []",
        ask=f"with client.messages.stream(model='{MODEL}', max_tokens=4096,"
        " messages=[{'role': 'user', 'content': 'PROMPT'}]) as stream:\n"
        "    for text in stream.text_stream: print(text, end='', flush=True)",
        session=(
            f"history.append({{'role': 'user', 'content': {JOINED}}})\n"
            f"reply = client.messages.create(model='{MODEL}', max_tokens=4096, messages=history)\n"
            "history.append({'role': 'assistant', 'content': reply.content})",
            "history.append({'role': 'user', 'content': PROMPT})\n"
            f"reply = client.messages.create(model='{MODEL}', max_tokens=4096, messages=history)\n"
            "history.append({'role': 'assistant', 'content': reply.content})",
        ),
        image="import base64\nfrom pathlib import Path\ndata = base64.b64encode(Path(path).read_bytes()).decode()",
        bulk="import asyncio\nplaces = asyncio.Semaphore(50)\nasync def one(row):\n    async with places:\n"
        f"        return await many.messages.create(model='{MODEL}', max_tokens=100, messages=[{{'role': 'user',"
        " 'content': 'Is this review positive?\\n\\n' + row}])\n"
        "many = anthropic.AsyncAnthropic()\nanswers = await asyncio.gather(*map(one, rows))",
        cannot={"frame": "takes no dataframe", **NO_LEDGER},
        remarks={
            "session": "no caching unless one writes it",
            "map": "asyncio with a semaphore, written by hand",
        },
    ),
    Alternative(
        name="SDK Markdown",
        packages=("anthropic",),
        load="import anthropic",
        setup="client = anthropic.Anthropic()\nfrom IPython.display import Markdown, display, update_display",
        ask="whole = ''\nhandle = display(Markdown(''), display_id=True)\n"
        f"with client.messages.stream(model='{MODEL}', max_tokens=4096,"
        " messages=[{'role': 'user', 'content': 'PROMPT'}]) as stream:\n"
        "    for text in stream.text_stream:\n"
        "        whole += text\n        handle.update(Markdown(whole))",
        cannot={
            "load": "as SDK print",
            "session": "as SDK print",
            "frame": "takes no dataframe",
            "image": "as SDK print",
            "map": "as SDK print",
            **NO_LEDGER,
        },
    ),
)
"""In the order of the table's columns."""


def named(names: list[str]) -> list[Alternative]:
    """Those of these names, all without one; ours is always among them."""
    unknown = set(names) - {a.name for a in ALTERNATIVES}
    if unknown:
        raise ValueError(
            f"no alternative {', '.join(sorted(unknown))}; there are {', '.join(a.name for a in ALTERNATIVES)}"
        )
    return [a for a in ALTERNATIVES if not names or a.name in names or a.name == OURS]


FRAME_SENDERS: Final = (
    Alternative(
        name="marimo",
        packages=("marimo", "pandas"),
        frame="from marimo._data.get_datasets import get_datasets_from_variables\n"
        "from marimo._server.ai.prompts import _format_schema_info\n"
        "from marimo._server.models.completion import SchemaColumn, SchemaTable\n"
        "columns = get_datasets_from_variables([('df', df)])[0].columns\n"
        "columns = [SchemaColumn(name=c.name, type=c.type, sample_values=c.sample_values) for c in columns]\n"
        "text = _format_schema_info([SchemaTable(name='df', columns=columns)])",
    ),
    Alternative(
        name="mito-ai",
        packages=("mito-ai", "pandas"),
        # The kernel's side of it stands as text in the extension's bundle.
        frame="from pathlib import Path\n"
        "bundle = next((Path(sys.prefix) / 'share/jupyter/labextensions/mito_ai/static').glob('lib_index_js.*.js'))\n"
        "source = bundle.read_text().partition('def get_dataframe_structure')[2].partition('def is_from_mitosheet')[0]\n"
        "exec('def get_dataframe_structure' + source, globals())\n"
        "text = str({'variable_name': 'df', 'type': 'pd.DataFrame', 'value': get_dataframe_structure(df)})",
    ),
)
"""Notebooks with an assistant of their own, of which only what they send of a dataframe is compared."""
