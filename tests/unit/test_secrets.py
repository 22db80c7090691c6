"""What is taken out before anything is sent, and the much larger rest that must not be."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.world import stage

from claude_jupyter.content.secrets.redact import SecretRemover, find_key

R = random.Random(7)
RANDOM = "".join(R.choices(string.ascii_letters + string.digits, k=40))
AWS = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MY_SERVICE_TOKEN", "s3cr3t-value-123456"),
        ("ANTHROPIC_API_KEY", "sk-ant-api03-" + RANDOM),
        ("DB_PASSWORD", "correct horse battery staple"),
        ("DB_PASSWORD", "correct-horse-battery"),
        ("DB_PASSWORD", "hunter22"),
        ("PGPASSWORD", "p@ss w0rd!"),
        ("AWS_SECRET_ACCESS_KEY", AWS),
        ("STORAGE_KEY", RANDOM + "=="),
        ("JUPYTERHUB_API_TOKEN", "0123456789abcdef0123456789abcdef"),
        ("PLAIN_NAME", RANDOM[:20]),
        ("ANYTHING", "zq8Kx2LmP0vTn4"),
        ("SIGNED", "/" + RANDOM),
        ("SOME_SECRET", 'with"quotes\\and\\slashes9'),
    ],
)
def test_values_that_look_secret_never_leave(name, value):
    redact = SecretRemover.from_environment({name: value, "HOME": "/home/ada"})
    text, names = redact(f"before {value} after, {json.dumps({'k': value})}, {value!r}")
    assert names == (name,)
    assert text.startswith(f"before [redacted {name}] after")
    assert value not in text


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DATABASE_URL", "postgres://ada:p4ssw0rd9@db.example.org:5432/app", "p4ssw0rd9"),
        ("REDIS", "redis://:s3cretpw99@10.0.0.1:6379/0", "s3cretpw99"),
        ("SENTRY_DSN", "https://" + RANDOM[:32] + "@o1.ingest.example.io/5", RANDOM[:32]),
        ("SLACK_WEBHOOK", "https://hooks.example.com/services/T0/B0/" + RANDOM[:24], RANDOM[:24]),
        ("CONN", "Server=db;Database=app;User Id=ada;Password=Ab12Cd34;Encrypt=true", "Ab12Cd34"),
    ],
)
def test_of_a_url_or_connection_string_only_the_password_is_secret(name, value, secret):
    redact = SecretRemover.from_environment({name: value})
    text, names = redact(f"{secret}; db.example.org, Database=app")
    assert text == f"[redacted {name}]; db.example.org, Database=app"
    assert names == (name,)


ORDINARY = {
    "HOME": "/home/ada-lovelace", "PATH": "/usr/local/bin:/usr/bin", "LANG": "en_US.UTF-8", "LC_ALL": "de_DE.UTF-8",
    "HOSTNAME": "3f2a9bc1d2e4", "SHELL": "/bin/bash", "PWD": "/work/analysis", "USER": "adalovelace", "EDITOR": "sublimetext",
    "CLAUDE_JUPYTER_MODEL": "claude-sonnet-5-5", "ANTHROPIC_BASE_URL": "https://gateway.example.org/v1", "TZ": "Europe/Amsterdam",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline", "PORT_RANGE": "8000-8999-9999", "BUILD_DATE": "2026-11-22T10:00:00Z",
    "PLATFORM": "x86_64-linux-gnu", "IMAGE_TAG": "python3.11.9-slim-bookworm", "MAX_TOKENS": "16000000000000",
    "TOKENIZERS_PARALLELISM": "falsefalsefalse", "PRIMARY_KEY": "customer_id_hash", "SSH_AUTH_SOCK": "/run/user/1000/keyring/ssh",
    "GIT_COMMIT": hashlib.sha1(b"x").hexdigest(), "RUN_ID": str(uuid.UUID(int=R.getrandbits(128))), "MAIL": "ada.lovelace@example.org",
    "SERVICE_HOST": "db-primary.internal.example.org:5432", "DB_PASSWORD_FILE": "/run/secrets/db_password", "SECRET_WORD": "administrator",
    "EMPTY": "", "SHORT": "ab12", "LS_COLORS": "rs=0:di=01;34:ln=01;36:mh=00", "PYTHONHASHSEED": "123456789012", "TOKEN": "short1",
    "GREETING": "hello wonderful world", "PROJECT_NAME": "quarterly-report-analysis", "REGION": "eu-central-1-private",
}  # fmt: skip


def test_ordinary_variables_are_not_secret():
    redact = SecretRemover.from_environment(ORDINARY)
    text = "; ".join(ORDINARY.values())
    assert redact(text) == (text, ())


KEYS = [
    ("anthropic-key", "sk-ant-api03-" + RANDOM),
    ("anthropic-key", "sk-ant-abc123def"),
    ("api-key", "sk-proj-" + RANDOM),
    ("api-key", "sk-" + RANDOM),
    ("aws-key-id", "AKIAIOSFODNN7EXAMPLE"),
    ("github-token", "ghp_" + RANDOM[:36]),
    ("github-token", "github_pat_" + RANDOM),
    ("gitlab-token", "glpat-" + RANDOM[:20]),
    ("slack-token", "xoxb-123456789012-" + RANDOM[:20]),
    ("google-key", "AIza" + RANDOM[:35]),
    ("huggingface-token", "hf_" + RANDOM[:34]),
    ("stripe-key", "sk_live_" + RANDOM[:24]),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"),
]


@pytest.mark.parametrize(("name", "key"), KEYS)
@pytest.mark.parametrize(
    "around", ["{}", "key={}", '"{}"', "({})", "{},next", "a\n{}\nb", "https://h/?k={}&x=1", "é{}。"]
)
def test_text_shaped_like_a_key_never_leaves(name, key, around):
    text, names = SecretRemover()(around.format(key))
    assert text == around.format(f"[redacted {name}]")
    assert names == (name,)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"Authorization: Bearer {RANDOM}", "Authorization: Bearer [redacted bearer-token]"),
        ("-H 'authorization: Basic YWRhOnBhc3N3b3JkMTIz'", "-H 'authorization: Basic [redacted basic-auth]'"),
        ("git clone https://ada:tok3n@host/x.git", "git clone https://ada:[redacted password]@host/x.git"),
        (f'api_key = "{RANDOM}"', 'api_key = "[redacted secret]"'),
        ("{'password': 'Tr0ub4dor&3xyz'}", "{'password': '[redacted secret]'}"),
        ("HOST=a\nDB_PASSWORD=Tr0ub4dor3xyz\nPORT=1", "HOST=a\nDB_PASSWORD=[redacted secret]\nPORT=1"),
        (f"export API_TOKEN={RANDOM}\r\n", "export API_TOKEN=[redacted secret]\r\n"),
        (f"db:\n  secret_key: {RANDOM}", "db:\n  secret_key: [redacted secret]"),
    ],
)
def test_keys_that_their_surroundings_tell(text, redacted):
    assert SecretRemover()(text)[0] == redacted


def test_private_key_blocks_go_whole_also_when_cut_short():
    body = "\n".join(base64.b64encode(R.randbytes(48)).decode() for _ in range(5))
    for kind in ("", "RSA ", "OPENSSH ", "ENCRYPTED "):
        block = f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"
        assert SecretRemover()(f"a\n{block}\nb") == ("a\n[redacted private-key]\nb", ("private-key",))
        assert SecretRemover()(json.dumps({"k": block}))[0] == '{"k": "[redacted private-key]"}'
        cut = SecretRemover()(f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\nand then prose")[0]
        assert cut == "[redacted private-key]\nand then prose"


@pytest.mark.parametrize(
    "text",
    [
        hashlib.sha256(b"a").hexdigest(), str(uuid.UUID(int=R.getrandbits(128))),
        base64.b64encode(R.randbytes(30_000)).decode(), "sk-learn and sk-1",
        "sk-learn-contrib-imbalanced-learning-toolkit", "a bearer of good news travels 1000 miles", "Bearer authentication-mechanism",
        "task-force-of-the-european-commission", "AKIA and ASIA", "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
        "https://example.org:8080/path@2x.png", "the password: please ask Ada", "password = getpass()", "token_count = 1234567890123",
        'api_key = os.environ["ANTHROPIC_API_KEY"]', "api_key='your-key-here-1234'", "ANTHROPIC_API_KEY=sk-ant-...", "sk-ant-",
        "token = tokenizer.tokens_v2", "api_key = settings.ApiKey2Default3", "api_key = Tokenizer2Model", "secret: see chapter 12",
        "eyJ is how a JWT begins", "max_tokens=16000", "key: 'customer_2024_region'", "sort_key='customer_2024_region'", "ghp_short",
        "basic understanding of 12 things", "commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "2026-11-22T10:00:00.000000Z",
        "data:image/png;base64," + base64.b64encode(R.randbytes(3000)).decode(), "SELECT token, count(*) FROM t GROUP BY token",
    ],
)  # fmt: skip
def test_what_only_looks_random_stays(text):
    assert SecretRemover()(text) == (text, ())


def test_each_name_is_told_once_and_secrets_within_secrets_go_together():
    redact = SecretRemover.from_environment(
        {"A_TOKEN": "inner-secret-1", "B_TOKEN": "outer inner-secret-1 more2"}
    )
    text, names = redact("x outer inner-secret-1 more2 y inner-secret-1 z inner-secret-1")
    assert text == "x [redacted B_TOKEN] y [redacted A_TOKEN] z [redacted A_TOKEN]"
    assert set(names) == {"A_TOKEN", "B_TOKEN"}


def test_switched_off_nothing_is_touched():
    assert SecretRemover.from_environment({"A_TOKEN": RANDOM}, False)(RANDOM) == (RANDOM, ())


def test_it_is_made_again_only_when_the_environment_changed():
    environ = {"A_TOKEN": RANDOM}
    first = SecretRemover.from_environment(environ)
    assert SecretRemover.from_environment(dict(environ)) is first
    assert SecretRemover.from_environment({**environ, "B": "1"}) is not first


def test_the_value_is_shown_nowhere():
    assert RANDOM not in repr(SecretRemover.from_environment({"A_TOKEN": RANDOM}))


@given(
    st.lists(
        st.sampled_from(
            [RANDOM, "sk-ant-abc123def", "text", " ", "Bearer ", "\n", "-----BEGIN PRIVATE KEY-----", "é"]
        )
    )
)
def test_redacted_text_holds_no_secret_and_stays_when_redacted_again(parts):
    redact = SecretRemover.from_environment({"A_TOKEN": RANDOM})
    text, _ = redact(" ".join(parts))
    assert RANDOM not in text
    assert redact(text)[0] == text


@pytest.mark.parametrize(
    "unit",
    [
        "word ",
        "://a:",
        "-----BEGIN PRIVATE KEY-----",
        "sk-ant-",
        "eyJaaaaaaaa.",
        "Bearer ",
        "key='",
        "=",
        "sk-",
        "AAAA",
        "\n",
    ],
)
def test_time_is_linear_in_the_length(unit):
    redact = SecretRemover.from_environment({"A_TOKEN": RANDOM})

    def seconds(size: int) -> float:
        started = time.process_time()
        redact(unit * (size // len(unit)))
        return time.process_time() - started

    assert seconds(1_600_000) < 0.2 + 64 * seconds(100_000)  # 16 if linear, 256 if quadratic


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (f'os.environ["ANTHROPIC_API_KEY"] = "{RANDOM}"', "ANTHROPIC_API_KEY"),
        (f"os.environ.setdefault('ANTHROPIC_API_KEY', '{RANDOM}')", "ANTHROPIC_API_KEY"),
        (f"os.environ.update({{'OPENAI_API_KEY': '{RANDOM}'}})", "OPENAI_API_KEY"),
        (f"%env ANTHROPIC_API_KEY={RANDOM}", "ANTHROPIC_API_KEY"),
        (f"%env ANTHROPIC_API_KEY {RANDOM}", "ANTHROPIC_API_KEY"),
        (f"%set_env ANTHROPIC_API_KEY={RANDOM}", "ANTHROPIC_API_KEY"),
        (f"!export ANTHROPIC_API_KEY={RANDOM}", "ANTHROPIC_API_KEY"),
        (f'claude.client = Anthropic(api_key="{RANDOM}")', "api_key"),
        (f'ANTHROPIC_AUTH_TOKEN = "{RANDOM}"', "ANTHROPIC_AUTH_TOKEN"),
        (f"%%claude\nmy key is sk-ant-api03-{RANDOM}", "anthropic-key"),
        (f"x = 'sk-ant-api03-{RANDOM}'", "anthropic-key"),
        (f"x = 'sk-ant-api03-{'x' * 40}'", "anthropic-key"),
        ("x = 'sk-ant-your-key-here'", None),
        ('api_key = os.environ["ANTHROPIC_API_KEY"]', None),
        ("api_key = my_saved_key_2", None),
        ('os.environ["ANTHROPIC_API_KEY"] = getpass()', None),
        ('os.environ["ANTHROPIC_API_KEY"] = "your-key-here"', None),
        ('api_key="sk-ant-..."', None),
        ("%env ANTHROPIC_API_KEY", None),
        ("%env ANTHROPIC_API_KEY=$OTHER_KEY_1", None),
        ("df['primary_key'] = 'customer_2024'", None),
        ("x = 1", None),
    ],
)
def test_a_cell_that_sets_a_literal_key_is_found(source, name):
    assert find_key(source) == name


def test_system_prompts_are_redacted_as_prompts_are():
    with stage("Yes.") as s:
        s.env.redact = lambda t: (t.replace("hunter2", "[redacted PW]"), ("PW",) * t.count("hunter2"))
        s.claude.system = "Be brief, hunter2."
        s.claude.ask("One?")
        told = s.claude.ask("Two?", system="The password is hunter2.")
        s.claude.ask("Three?")
        s.claude.map(["a"], "{value}?", system="hunter2")
        assert "hunter2" not in str(s.bodies) and "hunter2" not in str(s.claude.turns)
        systems = [body["system"][0]["text"] for body in s.bodies]
        assert systems == [
            "Be brief, [redacted PW].",
            *["The password is [redacted PW]."] * 2,
            "[redacted PW]",
        ]
        assert any("Redacted in the prompt: PW" in b.get("text", "") for b in told.blocks)
