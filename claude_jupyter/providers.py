"""The providers, one row each: how to create the client, how models are named there, what it supports and what it lacks.

A new provider is a row of this table. What is missing where comes from the SDK's own clients (`anthropic/lib/*`); the limits of
images from platform.claude.com, build-with-claude/vision, as read on 2026-11-22.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final, Literal

from claude_jupyter.errors import MissingExtraError

_DATES: Final = {
    "claude-opus-4-5": "20251101",
    "claude-haiku-4-5": "20251001",
    "claude-sonnet-4-5": "20250929",
}
"""Models that the clouds name with their date."""
_CREDENTIALS: Final = re.compile(r"credential|project|token", re.IGNORECASE)
_PLAIN: Final = re.compile(r"(claude-[a-z]+-[\d-]+?)(?:-(20\d{6}))?")


Key = Literal["anthropic", "cloud", "none"]

SMALLEST_IMAGE_BYTES: Final = 5_000_000
"""What every provider takes of one image, as base64 text."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Attributes
    ----------
    title
        Its name for people.
    client
        The SDK's class.
    key
        What the client is made with: an Anthropic key, the cloud's own credentials, or nothing.
    extra
        The extra of this package and the SDK that it needs, or None.
    modules
        What that extra brings.
    needs
        What has to be set up, for the error where it is not.
    plain, dated
        How a model is spelled there, without and with a date (`{id}`, `{date}`).
    spelled
        Models that are spelled otherwise.
    batches, lists_models, counts, condenses
        Whether there are message batches, the Models API, token counting, and compaction.
    image_bytes
        The longest base64 text of one image.
    urls
        Whether it fetches images and PDFs by their URL.
    billed
        Whether its answers cost anything.
    telemetry
        Its name in spans (`gen_ai.provider.name` of the OpenTelemetry conventions).
    """

    title: str
    client: str
    needs: str
    key: Key = "cloud"
    extra: str | None = None
    modules: tuple[str, ...] = ()
    plain: str = "{id}"
    dated: str = "{id}-{date}"
    spelled: Mapping[str, str] = field(default_factory=dict[str, str])
    batches: bool = True
    lists_models: bool = True
    counts: bool = True
    condenses: bool = True
    image_bytes: int = 10_000_000
    urls: bool = True
    billed: bool = True
    telemetry: str = "anthropic"

    def model(self, name: str) -> str:
        """A model's name there; one that is spelled as the cloud does already stays as it is."""
        match = _PLAIN.fullmatch(name)
        if match is None or self.key != "cloud":
            return name
        base, date = match[1], match[2] or _DATES.get(match[1])
        if base in self.spelled:
            return self.spelled[base]
        return self.dated.format(id=base, date=date) if date else self.plain.format(id=base)

    def unset(self, provider: str, error: BaseException) -> str | None:
        """What is missing, where an error says that there are no credentials; else None."""
        ours = type(error).__module__.partition(".")[0] in ("google", "botocore", "boto3")
        text = " ".join(str(error).split())
        if self.key != "cloud" or (
            not ours and not (isinstance(error, RuntimeError) and _CREDENTIALS.search(text))
        ):
            return None
        return f"{self.title} (provider {provider}) is not set up: it needs {self.needs}. ({text[:160]})"

    def check(self, provider: str) -> None:
        """See that the extra is installed.

        Raises
        ------
        MissingExtraError
            Naming it.
        """
        if any(_is_missing(m) for m in self.modules):
            raise MissingExtraError(
                f'{self.title} (provider {provider}) needs an extra: pip install "claude-jupyter[{self.extra}]", then restart the kernel.'
            )


PROVIDERS: Final[Mapping[str, Provider]] = {
    "anthropic": Provider(
        title="Anthropic",
        client="Anthropic",
        needs="ANTHROPIC_API_KEY",
        key="anthropic",
    ),
    "bedrock": Provider(
        title="Amazon Bedrock",
        client="AnthropicBedrock",
        needs="AWS credentials (or AWS_BEARER_TOKEN_BEDROCK) and AWS_REGION",
        extra="bedrock",
        modules=("boto3", "botocore"),
        # The global inference profile: newer models cannot be called by their bare id.
        plain="global.anthropic.{id}",
        dated="global.anthropic.{id}-{date}-v1:0",
        spelled={"claude-opus-4-6": "global.anthropic.claude-opus-4-6-v1"},
        batches=False,
        lists_models=False,
        counts=False,
        image_bytes=SMALLEST_IMAGE_BYTES,
        urls=False,
        telemetry="aws.bedrock",
    ),
    "vertex": Provider(
        title="Google Vertex AI",
        client="AnthropicVertex",
        needs="Google credentials, CLOUD_ML_REGION and ANTHROPIC_VERTEX_PROJECT_ID",
        extra="vertex",
        modules=("google.auth", "requests"),
        dated="{id}@{date}",
        batches=False,
        image_bytes=SMALLEST_IMAGE_BYTES,
        urls=False,
        telemetry="gcp.vertex_ai",
    ),
    "foundry": Provider(
        title="Microsoft Foundry",
        client="AnthropicFoundry",
        needs="ANTHROPIC_FOUNDRY_API_KEY and ANTHROPIC_FOUNDRY_RESOURCE",
        plain="{id}",
        dated="{id}",
        batches=False,
        lists_models=False,
        telemetry="azure.ai.foundry",
    ),
    "aws": Provider(
        title="Claude Platform on AWS",
        client="AnthropicAWS",
        needs="AWS credentials (or ANTHROPIC_AWS_API_KEY), AWS_REGION and ANTHROPIC_AWS_WORKSPACE_ID",
        extra="aws",
        modules=("boto3", "botocore"),
        plain="{id}",
    ),
    "google_cloud": Provider(
        title="Claude on Google Cloud",
        client="AnthropicGoogleCloud",
        needs="Google credentials, ANTHROPIC_GOOGLE_CLOUD_PROJECT and ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID",
        extra="google-cloud",
        modules=("google.auth", "requests"),
        image_bytes=SMALLEST_IMAGE_BYTES,
        urls=False,
    ),
    "demo": Provider(
        title="The offline demo",
        client="Anthropic",
        needs="nothing",
        key="none",
        billed=False,
        telemetry="demo",
    ),
}


def named(provider: str) -> Provider:
    """The row of a provider; one that is not in the table (a client of the user's own) is taken to be like Anthropic."""
    return PROVIDERS.get(provider) or PROVIDERS["anthropic"]


def of_client(client: object) -> str:
    """The provider that a client of the SDK speaks to, by its class; the SDK's `…Mantle` is another client of the same one."""
    names = [kind.__name__.removesuffix("Mantle") for kind in type(client).__mro__]
    return next((p for name in names for p, row in PROVIDERS.items() if row.client == name), "anthropic")


def spelled(provider: str, model: str, own: object = None) -> str:
    """A model's name as this provider takes it; a client of the user's `own` that is of another kind gets it as it is."""
    row = named(provider)
    return model if own is not None and type(own).__name__ != row.client else row.model(model)


def _is_missing(module: str) -> bool:
    try:
        return find_spec(module) is None
    except ModuleNotFoundError:  # its package is not there either
        return True
