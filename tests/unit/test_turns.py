"""The code of an answer is what a cell can run."""

from __future__ import annotations

import pytest

from claude_jupyter.answer.model import Answer


def codes(text: str) -> tuple[str, ...]:
    return Answer("a1", blocks=({"type": "text", "text": text},)).codes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("No code.", ()),
        ("```python\nx = 1\n```", ("x = 1",)),
        ("```py\nx = 1\n```\nand\n```Python\ny = 2\n\n```", ("x = 1", "y = 2")),
        ("```bash\npip install x\n```\n```python\nimport x\n```\nIt prints\n```\n7\n```", ("import x",)),
        ("```\nx = 1\n```\n```sql\nselect 1\n```", ("x = 1",)),
        ("```sql\nselect 1\n```", ("select 1",)),
        (
            "1. Load:\n\n   ```python\n   for x in y:\n       print(x)\n\n   z\n   ```\n2. Done.",
            ("for x in y:\n    print(x)\n\nz",),
        ),
        ("~~~ python\nx = '''\n```\n'''\n~~~", ("x = '''\n```\n'''",)),
        ("````python\nx = '```'\n````", ("x = '```'",)),
        ('```python title="a.py"\nx = 1\n```', ("x = 1",)),
        ("```python\nnever closed", ()),
        ("Inline ```x = 1``` is none.\n\n```python\ny = 2\n```", ("y = 2",)),
        ('```python\n"""\n    ```\n    f()\n    ```\n"""\n```', ('"""\n    ```\n    f()\n    ```\n"""',)),
    ],
)
def test_code_is_the_blocks_that_are_python_else_those_without_a_mark(
    text: str, found: tuple[str, ...]
) -> None:
    assert codes(text) == found
