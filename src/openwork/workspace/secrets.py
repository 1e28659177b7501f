"""What a secret looks like: the one table of names and shapes, for hiding and for finding. No I/O.

Hiding (``redact``) is generous: whatever stands under a secret's name goes. Finding
(``find_secrets``) is for telling a person what they are about to share, so it leaves out
placeholders, references such as ``{env:NAME}``, and prose.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias, cast

HIDDEN = "***"
MIN_RANDOM_CHARACTERS = 16
MIN_ASSIGNED_CHARACTERS = 12
MIN_RANDOM_BITS_PER_CHARACTER = 3.0
_MAX_PROSE_WORDS = 6
_MAX_PLACEHOLDER_CHARACTERS = 200

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a secret stands, never what it is.

    Attributes:
        path: Keys and positions from the outside in.
        kind: ``github-token``, ``password``, …: a name of the tables below.
    """

    path: Path
    kind: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A form that gives a secret away wherever it stands.

    Attributes:
        kind: Its name.
        pattern: Finds it; a group ``secret`` marks the part to hide, else all of it is.
        random: Whether that part must also look random, because words have this form too.
    """

    kind: str
    pattern: re.Pattern[str]
    random: bool = False


def _shape(kind: str, pattern: str, *, random: bool = False) -> Shape:
    # Starting only where no name goes on keeps words out, and searching linear.
    return Shape(kind, re.compile(rf"(?<![A-Za-z0-9_])(?:{pattern})"), random)


_SECRET_WORD = r"(?i:api[_-]?key|access[_-]?key|token|secret|password|passwd|passphrase)"  # noqa: S105  # a pattern
_NAME = rf"[A-Za-z0-9_.-]{{0,40}}{_SECRET_WORD}"
_VALUE = r"[^\s\"'`,;<>{}$()]{8,}"
_BASE64URL = "[A-Za-z0-9_-]"

SHAPES = (
    _shape(
        "private-key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){0,20000}"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
    ),
    _shape("age-key", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    _shape("jwt", rf"eyJ{_BASE64URL}{{8,}}\.eyJ{_BASE64URL}{{8,}}\.{_BASE64URL}{{8,}}"),
    _shape(
        "authorization",
        r"(?i:bearer|basic|token)[ \t]+"
        r"(?P<secret>(?=[A-Za-z._~+/-]*[0-9=])[A-Za-z0-9._~+/-]{16,}=*)",
    ),
    _shape("github-token", r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}"),
    _shape("gitlab-token", rf"gl(?:pat|oas|dt|rt|ptt|ft|imt|agent|soat|cbt)-{_BASE64URL}{{20,}}"),
    _shape("anthropic-key", rf"sk-ant-{_BASE64URL}{{20,}}"),
    _shape("openrouter-key", r"sk-or-v1-[0-9a-f]{32,}"),
    _shape("openai-key", rf"sk-(?=[A-Za-z_-]*[0-9]){_BASE64URL}{{20,}}"),
    _shape("model-key", r"(?:gsk_|xai-|pplx-|r8_|fw_|csk-|nvapi-|tvly-)[A-Za-z0-9_-]{28,}"),
    _shape("huggingface-token", r"(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    _shape("google-key", rf"AIza{_BASE64URL}{{35}}"),
    _shape("google-oauth", rf"GOCSPX-{_BASE64URL}{{20,}}|(?:ya29\.|1//0){_BASE64URL}{{20,}}"),
    _shape("aws-key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _shape("azure-key", r"(?:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})"),
    _shape("digitalocean-token", r"do[opr]_v1_[0-9a-f]{64}"),
    _shape("slack-token", r"(?:xox[abeoprs](?:\.xox[bp])?|xapp-[0-9])-[A-Za-z0-9-]{10,}"),
    _shape(
        "webhook-address",
        r"https://(?:hooks\.slack\.com/(?:services|workflows|triggers)/"
        r"|(?:[a-z]{1,10}\.)?discord(?:app)?\.com/api/webhooks/)(?P<secret>[A-Za-z0-9/_-]{20,})",
    ),
    _shape("discord-token", rf"[MNO]{_BASE64URL}{{23,27}}\.{_BASE64URL}{{6}}\.{_BASE64URL}{{27,}}"),
    _shape("telegram-token", rf"[0-9]{{8,10}}:{_BASE64URL}{{35}}(?!{_BASE64URL})"),
    _shape("stripe-key", r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,}"),
    _shape("square-token", rf"EAAA{_BASE64URL}{{60}}|sq0(?:atp|csp)-{_BASE64URL}{{22,}}"),
    _shape("shopify-token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _shape("twilio-key", r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    _shape("sendgrid-key", rf"SG\.{_BASE64URL}{{16,}}\.{_BASE64URL}{{16,}}"),
    _shape("mailgun-key", r"key-[0-9a-f]{32}(?![A-Za-z0-9])"),
    _shape("npm-token", r"npm_[A-Za-z0-9]{36}"),
    _shape("pypi-token", rf"pypi-AgE{_BASE64URL}{{20,}}"),
    _shape("docker-token", rf"dckr_pat_{_BASE64URL}{{20,}}"),
    _shape("notion-token", r"(?:ntn_|secret_)(?=[A-Za-z]*[0-9])[A-Za-z0-9]{40,}"),
    _shape("linear-key", r"lin_(?:api|oauth)_[A-Za-z0-9]{30,}"),
    _shape("atlassian-token", r"ATATT3[A-Za-z0-9_=-]{20,}"),
    _shape("airtable-token", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    _shape("figma-token", rf"fig[dour]_{_BASE64URL}{{30,}}"),
    _shape("supabase-key", r"sb[ps]_(?:secret_)?[A-Za-z0-9_-]{30,}|sb_secret_[A-Za-z0-9_-]{20,}"),
    _shape("databricks-token", r"dapi[0-9a-f]{32}"),
    _shape("vault-token", rf"hv[sbr]\.{_BASE64URL}{{24,}}"),
    _shape("monitoring-token", r"(?:glsa|glc|sntry[su])_[A-Za-z0-9_+/=-]{30,}|NRAK-[A-Z0-9]{27}"),
    _shape("postman-key", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _shape("openwork-token", r"owt_[0-9a-f]{32}"),
    Shape(
        "address-login",
        re.compile(r"(?<=\w://)(?P<secret>[^/@\s:]{0,256}:[^/@\s]{1,1024})(?=@)"),
    ),
    Shape(
        "address-parameter",
        re.compile(
            rf"[?&;](?:{_NAME}|key|sig|signature|auth)=(?P<secret>[^&\s\"'#]{{8,}})"
        ),
        random=True,
    ),
    _shape(
        "assignment",
        rf"{_NAME}[\"']?[ \t]{{0,3}}[=:][ \t]{{0,3}}[\"']?(?P<secret>{_VALUE})",
        random=True,
    ),
    _shape("flag", rf"--?{_NAME}[= \t][\"']?(?P<secret>{_VALUE})", random=True),
)  # fmt: skip

# Of a key with its words joined by _ in lower case. The text under it is a secret, whatever it is.
NAMES = (
    ("private-key", r".*private_?key"),
    ("api-key", r".*(?:api|access|secret|auth|subscription|master|signing|encryption)_?keys?"),
    ("token", r".*token"),
    ("secret", r".*secrets?"),
    ("password", r".*(?:password|passwd|passphrase)s?|(?:.*_)(?:pwd|pass)"),
    ("authorization", r"(?:proxy_?)?authorization|.*bearer"),
    ("credential", r".*credentials?"),
    ("cookie", r"(?:.*_)?cookie"),
)
_NAMES = tuple((kind, re.compile(pattern)) for kind, pattern in NAMES)
# Hidden as well, but as often harmless: only a random text makes them a finding.
_HIDDEN_TOO = frozenset({"key", "refresh", "access"})
_DOUBTFUL = re.compile(
    r"(?:.*_)?keys?|refresh|access|auth|.*tokens|(?:.*_)?(?:dsn|sas|webhook|session)"
)
_HOLDERS = frozenset({"headers", "env", "environment"})
_REFERENCE = re.compile(
    r"(?:(?:bearer|basic|token)\s+)?(?:\{(?:env|file):[^{}]*\}|\$\{[^{}]*\}|\$\w+|%\w+%|\{\{[^{}]*\}\}|<[^<>]*>)",
    re.IGNORECASE,
)  # fmt: skip
_PLACEHOLDER = re.compile(
    r"(?:your|insert|enter|replace|example|dummy|fake|sample)[ _-].*|change_?me|example"
    r"|redacted|secret|password|token|none|null|true|false|include|omit|same-origin|required"
    r"|optional|string|todo|(?:[a-z_-]{2,12}[_-])?(.)\1*|[0-9]{1,6}|.*(?:\.{3}|…|\*{3}).*",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_RANDOM = re.compile(r"[A-Za-z0-9+/=_.~!@#%^&*-]+")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def looks_like_secret(key: str, text: str) -> str | None:
    """What kind of secret ``text`` under the name ``key`` seems to be; None when it seems none.

    Args:
        key: A key, a variable's or a flag's name; empty when there is none.
        text: Its value.
    """
    shaped = shape_of(text)
    if shaped is not None:
        return shaped
    value = text.strip()
    if is_placeholder(value) or len(value.split()) > _MAX_PROSE_WORDS:
        return None
    name = _joined(key)
    named = _kind_of_name(name)
    if named is not None:
        return named
    return "random-text" if _DOUBTFUL.fullmatch(name) and looks_random(value) else None


def shape_of(text: str) -> str | None:
    """The kind of the first shape in ``text``, or None."""
    for shape in SHAPES:
        for match in shape.pattern.finditer(text):
            start, end = _secret_span(match)
            if _counts(shape, text[start:end]):
                return shape.kind
    return None


def find_secrets(value: object) -> list[Finding]:
    """The places in ``value`` (parsed JSON) that seem to hold a secret, in order.

    A key is looked at too: a permission's pattern can be a whole command line. Of a list, an item
    after a flag such as ``--token`` counts as named by it.
    """
    found: list[Finding] = []
    waiting: list[tuple[Path, str, object]] = [((), "", value)]
    while waiting:
        path, name, item = waiting.pop()
        if isinstance(item, dict):
            fields = cast("dict[str, object]", item)
            for key in fields:
                kind = shape_of(key)
                if kind is not None:
                    found.append(Finding((*path, key), kind))
            waiting.extend(((*path, key), key, each) for key, each in reversed(fields.items()))
        elif isinstance(item, list):
            items = cast("list[object]", item)
            waiting.extend(
                ((*path, index), flag_before(items, index) or name, items[index])
                for index in reversed(range(len(items)))
            )
        elif isinstance(item, str):
            kind = looks_like_secret(name, item)
            if kind is not None:
                found.append(Finding(path, kind))
    return found


def redact(value: object, *, hide: bool = False, thorough: bool = False) -> object:
    """A copy of ``value`` (parsed JSON) without secrets; keys stay, but for shapes inside them.

    Texts under a secret's name or in ``headers`` and environments become ``***``, logins in
    addresses too.

    Args:
        value: Parsed JSON.
        hide: Whether every text in it is a secret.
        thorough: Look for secrets inside every text as well, and behind flags in lists; and leave
            references such as ``{env:NAME}``, which give nothing away.
    """
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {
            (redact_text(key) if thorough else key): redact(
                each, hide=hide or _hides(key, each), thorough=thorough
            )
            for key, each in fields.items()
        }
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [
            redact(each, hide=hide or (thorough and _flag_hides(items, index)), thorough=thorough)
            for index, each in enumerate(items)
        ]
    if not isinstance(value, str):
        return value
    if hide and value:
        return value if thorough and is_reference(value) else HIDDEN
    return redact_text(value) if thorough else _without_login(value)


def redact_text(text: str) -> str:
    """``text`` with every shape of a secret in it replaced by ``***``."""
    text = _without_login(text)
    for shape in SHAPES:
        pieces: list[str] = []
        position = 0
        for match in shape.pattern.finditer(text):
            start, end = _secret_span(match)
            if _counts(shape, text[start:end]):
                pieces += [text[position:start], HIDDEN]
                position = end
        if pieces:
            text = "".join((*pieces, text[position:]))
    return text


@lru_cache(maxsize=4096)
def names_a_secret(key: str) -> bool:
    """Whether a text under ``key`` is to be hidden."""
    name = _joined(key)
    return name in _HIDDEN_TOO or _kind_of_name(name) is not None


def is_reference(text: str) -> bool:
    """Whether ``text`` only names where a secret is: ``{env:NAME}``, ``Bearer ${NAME}``, …"""
    return _REFERENCE.fullmatch(text.strip()) is not None


def is_placeholder(text: str) -> bool:
    """Whether ``text`` stands where a secret would: empty, a reference, ``changeme``, ``***``."""
    value = text.strip()
    if len(value) > _MAX_PLACEHOLDER_CHARACTERS:
        return False
    return not value or is_reference(value) or _PLACEHOLDER.fullmatch(value) is not None


def looks_random(text: str, *, least: int = MIN_RANDOM_CHARACTERS) -> bool:
    """Whether ``text`` is one long enough word of letters and digits that nobody would choose."""
    if len(text) < least or _UUID.fullmatch(text) or not _RANDOM.fullmatch(text):
        return False
    if not re.search(r"[0-9]", text) or not re.search(r"[A-Za-z]", text):
        return False
    counts = Counter(text[:1000])
    total = sum(counts.values())
    bits = -sum(count / total * math.log2(count / total) for count in counts.values())
    return bits >= min(MIN_RANDOM_BITS_PER_CHARACTER, math.log2(total) - 1)


def flag_before(items: list[object], index: int) -> str | None:
    """The name of the flag, as ``--token``, that the item at ``index`` is the value of, or None."""
    if index == 0:
        return None
    flag = items[index - 1]
    if not isinstance(flag, str) or not flag.startswith("-") or "=" in flag:
        return None
    return flag.lstrip("-") or None


def _flag_hides(items: list[object], index: int) -> bool:
    flag = flag_before(items, index)
    return flag is not None and names_a_secret(flag)


def _hides(key: str, value: object) -> bool:
    if key.lower() in _HOLDERS:
        return isinstance(value, dict)  # a provider's "env" is a list of variables' names
    return names_a_secret(key)


def _joined(key: str) -> str:
    """``key`` in lower case with ``_`` between its words."""
    return re.sub(r"[\s.-]+", "_", _WORD_START.sub("_", key.strip())).lower()


def _kind_of_name(name: str) -> str | None:
    return next((kind for kind, pattern in _NAMES if pattern.fullmatch(name)), None)


def _secret_span(match: re.Match[str]) -> tuple[int, int]:
    return match.span("secret" if "secret" in match.re.groupindex else 0)


def _counts(shape: Shape, text: str) -> bool:
    if is_placeholder(text):
        return False
    return not shape.random or looks_random(text, least=MIN_ASSIGNED_CHARACTERS)


def _without_login(text: str) -> str:
    if "://" not in text:
        return text
    return re.sub(r"(\w://)[^/@\s]+@", rf"\1{HIDDEN}@", text)
