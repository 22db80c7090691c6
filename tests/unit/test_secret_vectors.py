"""Keys of many services: at least 98 % redacted, and next to no ordinary token.

The shapes are those that detect-secrets tests with (github.com/Yelp/detect-secrets, Apache-2.0), filled with letters of our own, and more.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from claude_jupyter.content.secrets.redact import SecretRemover

R = random.Random(11)
REDACT = SecretRemover()
LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
URL = LETTERS + "-_"


def of(alphabet: str, length: int) -> str:
    return "".join(R.choices(alphabet, k=length))


def base64_of(length: int) -> str:
    return base64.b64encode(R.randbytes(length)).decode()


SHAPES: dict[str, Callable[[], str]] = {
    "azure storage": lambda: base64_of(64),
    "azure connection": lambda: f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={base64_of(64)};EndpointSuffix=x",
    "azure sas": lambda: f"https://a.blob.core.windows.net/b?sv=2024&sig={quote(base64_of(32), safe='')}",
    "databricks": lambda: "dapi" + of(HEX, 32),
    "databricks versioned": lambda: "dapi" + of(HEX, 32) + "-2",
    "groq": lambda: "gsk_" + of(LETTERS, 52),
    "xai": lambda: "xai-" + of(LETTERS, 80),
    "twilio key": lambda: "SK" + of(HEX, 32),
    "twilio account": lambda: "AC" + of(HEX, 32),
    "discord bot": lambda: f"{base64.b64encode(of('123456789', 18).encode()).decode()}.{of(URL, 6)}.{of(URL, 27)}",
    "discord bot, long": lambda: f"{base64.b64encode(of('123456789', 19).encode()).decode().rstrip('=')}.{of(URL, 6)}.{of(URL, 38)}",
    "discord webhook": lambda: f"https://discord.com/api/webhooks/{of('123456789', 18)}/{of(URL, 68)}",
    "telegram": lambda: f"{of('123456789', 10)}:AA{of(URL, 33)}",
    "mailchimp": lambda: f"{of(HEX, 32)}-us{R.randint(1, 30)}",
    "square secret": lambda: "sq0csp-" + of(URL, 43),
    "square token": lambda: "sq0atp-" + of(URL, 22),
    "square access": lambda: "EAAA" + of(URL, 60),
    "artifactory token": lambda: "AKC" + of(LETTERS, 70),
    "artifactory short": lambda: "AKC" + of(LETTERS, 10),
    "artifactory password": lambda: "AP" + of("0123456789", 1) + of(LETTERS, 30),
    "github": lambda: "ghp_" + of(LETTERS, 36),
    "gitlab": lambda: "glpat-" + of(URL, 20),
    "gitlab deploy": lambda: "gldt-" + of(URL, 20),
    "gitlab runner": lambda: "glrt-" + of(URL, 20),
    "slack": lambda: f"xoxb-{of('123456789', 11)}-{of('123456789', 11)}-{of(LETTERS, 24)}",
    "slack webhook": lambda: f"https://hooks.slack.com/services/T{of(LETTERS, 8)}/B{of(LETTERS, 8)}/{of(LETTERS, 24)}",
    "stripe": lambda: "sk_live_" + of(LETTERS, 24),
    "sendgrid": lambda: f"SG.{of(URL, 22)}.{of(URL, 43)}",
    "npm": lambda: "npm_" + of(LETTERS, 36),
    "npm registry": lambda: "//registry.npmjs.org/:_authToken" + f"={of(HEX, 8)}-{of(HEX, 4)}-{of(HEX, 4)}-{of(HEX, 4)}-{of(HEX, 12)}",
    "pypi": lambda: "pypi-AgEIcHlwaS5vcmc" + of(URL, 70),
    "openai": lambda: f"sk-{of(LETTERS, 20)}T3BlbkFJ{of(LETTERS, 20)}",
    "openai project": lambda: f"sk-proj-{of(LETTERS, 60)}",
    "anthropic": lambda: "sk-ant-api03-" + of(URL, 90),
    "aws": lambda: "AKIA" + of(string.ascii_uppercase + string.digits, 16),
    "jwt": lambda: f"eyJ{of(URL, 30)}.eyJ{of(URL, 60)}.{of(URL, 43)}",
    "basic auth": lambda: f"https://ada:{of(LETTERS, 16)}@example.org",
    "private key": lambda: f"-----BEGIN RSA PRIVATE KEY-----\n{base64_of(300)}\n-----END RSA PRIVATE KEY-----",
    "perplexity": lambda: "pplx-" + of(LETTERS, 48),
    "replicate": lambda: "r8_" + of(LETTERS, 37),
    "hugging face": lambda: "hf_" + of(LETTERS, 34),
    "vault": lambda: "hvs." + of(URL, 90),
    "artifactory password, letter": lambda: "AP" + R.choice("ABCDEF") + of(LETTERS, 40),
    "aws, old": lambda: "A3T" + of(string.ascii_uppercase + string.digits, 17),
    "aws secret": lambda: f"aws_secret_access_key = '{of(LETTERS + '/+', 40)}'",
    "aws secret, quoted key": lambda: f'"AWS_SECRET_KEY": "{of(LETTERS + "/+", 40)}"',
    "secret access key": lambda: f"secret_access_key={of(HEX, 48)}\n",
    "discord bot after a letter": lambda: f"A{base64.b64encode(of('123456789', 18).encode()).decode()}.{of(URL, 6)}.{of(URL, 27)}",
    "gitlab runner registration": lambda: "GR1348941" + of(URL, 20),
    "gitlab application": lambda: "gloas-" + of(LETTERS, 64),
    "jwt without signature": lambda: f"eyJ{of(URL, 30)}.eyJ{of(URL, 60)}",
    "npm registry, new": lambda: "//registry.npmjs.org/:_authToken" + f"=npm_{of(LETTERS, 12)}",
    "twilio, any letters": lambda: "SK" + of(LETTERS.lower(), 32),
    "softlayer": lambda: f"softlayer_api_key: {of(HEX, 64)}",
    "softlayer option": lambda: f"--softlayer-api-key {of(HEX, 64)}",
    "softlayer endpoint": lambda: f"http://api.softlayer.com/soap/v3.1/{of(HEX, 64)}",
    "ibm": lambda: f"ibm_cloud_iam-key : {of(LETTERS + '_-', 44)}",
    "ibm assignment": lambda: f'"ibm-iam_key" := "{of(LETTERS + "_-", 44)}"',
    "cloudant password": lambda: f"cloudant_pw='{of(HEX, 64)}'",
    "cloudant key": lambda: f'cloudant_key = "{of(string.ascii_lowercase, 24)}"',
}  # fmt: skip
AROUND = (
    "{}",
    'token: "{}"',
    "x = '{}'",
    "see {} here",
    "a,b,{}\n1,2,3",
    "{{'k': '{}'}}",
    "(`{}`)",
    "KEY={}\n",
)


def test_at_least_98_percent_of_all_vectors_are_redacted() -> None:
    missed: list[str] = []
    total = 0
    for name, make in SHAPES.items():
        for around in AROUND:
            for _ in range(10):
                total += 1
                if "[redacted" not in REDACT(around.format(make()))[0]:
                    missed.append(f"{name} in {around}")
    assert len(missed) <= 0.02 * total, f"{len(missed)} of {total}: {sorted(set(missed))}"


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_known(name: str) -> None:
    assert sum("[redacted" in REDACT(f"a {SHAPES[name]()} b")[0] for _ in range(20)) >= 19


@pytest.mark.parametrize(
    "vector",
    [
        "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
        "MZ1yGvKTjE0rY0cV8i47CjAa.uRHQPq.Xb1Mk2nEhe-4iUcrGOuegj57zMC",
        "110201543:AAHdqTcvCH1vGWJxfSe1ofSAs0K5PALDsaw",
        "343ea45721923ed956e2b38c31db76aa-us30",
        "AKCxxxxxxxxxx",
        "AP6xxxxxxxxxx",
        "SKxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ",
    ],
)
def test_published_vectors(vector: str) -> None:
    assert "[redacted" in REDACT(f"token = {vector}\n")[0]


@pytest.mark.parametrize(
    "text",
    [
        "sha512-" + base64.b64encode(b"\x01\x9f" * 32).decode(),
        "commit 3f2504e04f8911d39a0c0305e82c3301aabbccdd",
        "APIResponse APACHE_2 APAccountName APBase64Decoder ACCOUNT SKLearnClassifier",
        "2024-01-02T10:11:12:AAPL AAPL:AAL",
        "north-us1 data-us10 eastus2",
        "MultiheadAttentionBlock24.weight.shape_of_the_first_dimension_here",
        "module.Networks_of_the_same_size.layers.a_rather_long_name_of_a_layer",
        "xai-explainability dapi-gateway gsk_small_model",
        "<svg><path d='M0 0L10 10'/></svg>",
        "signature sig=abc config=1",
        "ibm_cloud_region = eu-de, cloud password = none, cos = np.cos(key)",
        "cloud_key = 'a_rather_long_name_of_a_column_here'",
        "sl_token = tokenizer.encode_the_whole_text_at_once(text)",
        "aws_region_key = 'us-east-1'  # AWS keys stay out of notebooks",
        "ApplicationProgramming APApplication ACTIVATIONSOFTMAXLAYERNORMALIZATION",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert REDACT(text) == (text, ())


def test_at_most_one_in_a_thousand_tokens_of_our_notebooks_is_redacted() -> None:
    notebooks = sorted((Path(__file__).resolve().parents[2] / "notebooks").rglob("*.ipynb"))
    texts = [
        "".join(cell["source"])
        for path in notebooks
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    ]
    tokens = sum(len(re.findall(r"\S+", text)) for text in texts)
    redacted = sum(REDACT(text)[0].count("[redacted") - text.count("[redacted") for text in texts)
    assert tokens > 500 and redacted <= tokens / 1000
