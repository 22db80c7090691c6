"""The clouds that serve Claude besides Anthropic's own API: one row each, as data. The clients are made in `providers.py`.

Image limits by provider are `content/sizes.py`'s, URL sources `content/documents.py`'s. What is missing where is said by the SDK's own
clients (`anthropic/lib/*`): Bedrock and Vertex have no batches, Bedrock and Foundry no Models API, Bedrock no token counting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final

from claude_jupyter.errors import MissingExtraError

_DATES: Final = {
    "claude-opus-4-5": "20251101",
    "claude-haiku-4-5": "20251001",
    "claude-sonnet-4-5": "20250929",
}
"""Models that the clouds name with their date."""
_CREDENTIALS: Final = re.compile(r"credential|project|token", re.IGNORECASE)
_PLAIN: Final = re.compile(r"(claude-[a-z]+-[\d-]+?)(?:-(20\d{6}))?")


@dataclass(frozen=True, slots=True)
class Platform:
    """One cloud.

    Attributes
    ----------
    title
        Its name for people.
    client
        The SDK's class.
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
    batches, condenses
        Whether there are message batches, and compaction.
    """

    title: str
    client: str
    needs: str
    extra: str | None = None
    modules: tuple[str, ...] = ()
    plain: str = "{id}"
    dated: str = "{id}-{date}"
    spelled: Mapping[str, str] = field(default_factory=dict[str, str])
    batches: bool = True
    condenses: bool = True

    def model(self, name: str) -> str:
        """A model's name there; one that is spelled as the cloud does already stays as it is."""
        match = _PLAIN.fullmatch(name)
        if match is None:
            return name
        base, date = match[1], match[2] or _DATES.get(match[1])
        if base in self.spelled:
            return self.spelled[base]
        return self.dated.format(id=base, date=date) if date else self.plain.format(id=base)

    def unset(self, provider: str, error: BaseException) -> str | None:
        """What is missing, where an error says that there are no credentials; else None."""
        ours = type(error).__module__.partition(".")[0] in ("google", "botocore", "boto3")
        text = " ".join(str(error).split())
        if not ours and not (isinstance(error, RuntimeError) and _CREDENTIALS.search(text)):
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


PLATFORMS: Final[Mapping[str, Platform]] = {
    "bedrock": Platform(
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
    ),
    "vertex": Platform(
        title="Google Vertex AI",
        client="AnthropicVertex",
        needs="Google credentials, CLOUD_ML_REGION and ANTHROPIC_VERTEX_PROJECT_ID",
        extra="vertex",
        modules=("google.auth", "requests"),
        dated="{id}@{date}",
        batches=False,
    ),
    "foundry": Platform(
        title="Microsoft Foundry",
        client="AnthropicFoundry",
        needs="ANTHROPIC_FOUNDRY_API_KEY and ANTHROPIC_FOUNDRY_RESOURCE",
        plain="{id}",
        dated="{id}",
        batches=False,
    ),
    "aws": Platform(
        title="Claude Platform on AWS",
        client="AnthropicAWS",
        needs="AWS credentials (or ANTHROPIC_AWS_API_KEY), AWS_REGION and ANTHROPIC_AWS_WORKSPACE_ID",
        extra="aws",
        modules=("boto3", "botocore"),
        plain="{id}",
    ),
    "google_cloud": Platform(
        title="Claude on Google Cloud",
        client="AnthropicGoogleCloud",
        needs="Google credentials, ANTHROPIC_GOOGLE_CLOUD_PROJECT and ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID",
        extra="google-cloud",
        modules=("google.auth", "requests"),
    ),
}


def spelled(provider: str, model: str, own: object = None) -> str:
    """A model's name as this provider takes it; a client of the user's `own` that is of another kind gets it as it is."""
    platform = PLATFORMS.get(provider)
    if platform is None or (own is not None and type(own).__name__ != platform.client):
        return model
    return platform.model(model)


def _is_missing(module: str) -> bool:
    try:
        return find_spec(module) is None
    except ModuleNotFoundError:  # its package is not there either
        return True
