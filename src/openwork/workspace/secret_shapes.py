"""The forms that give a secret away wherever it stands: tokens of known services, logins in
addresses, assignments. One table; ``secrets`` says what is done with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Shape:
    """A form that gives a secret away wherever it stands.

    Attributes:
        kind: Its name.
        source: The pattern's text; a group ``secret`` marks the part to hide, else all of it is.
        random: Whether that part must also look random, because words have this form too.
        marks: The text, in lower case, holds one of them where the form stands; empty: unknown.
            Looking for them first is what makes searching cheap.
    """

    kind: str
    source: str
    random: bool = False
    marks: tuple[str, ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        """Finds it. Compiled when first used: a server that starts has other things to do."""
        return _compiled(self.source)


_compiled = cache(re.compile)


def _shape(kind: str, pattern: str, marks: str = "", *, random: bool = False) -> Shape:
    # Starting only where no name goes on keeps words out, and searching linear.
    return Shape(kind, rf"(?<![A-Za-z0-9_])(?:{pattern})", random, tuple(marks.split()))


_SECRET_WORD = r"(?i:api[_-]?key|access[_-]?key|token|secret|password|passwd|passphrase)"  # noqa: S105  # a pattern
_SECRET_WORD_MARKS = ("key", "token", "secret", "pass")
_NAME = rf"[A-Za-z0-9_.-]{{0,40}}{_SECRET_WORD}"
_VALUE = r"[^\s\"'`,;<>{}$()]{8,}"
_BASE64URL = "[A-Za-z0-9_-]"

SHAPES = (
    _shape(
        "private-key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){0,20000}"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
        "-----begin",
    ),
    _shape("age-key", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}", "age-secret-key-1"),
    _shape(
        "jwt", rf"(?<!-)eyJ{_BASE64URL}{{8,}}\.eyJ{_BASE64URL}{{8,}}\.{_BASE64URL}{{8,}}", "eyj"
    ),
    _shape(
        "authorization",
        r"(?i:bearer|basic|token)[ \t]+"
        r"(?P<secret>(?=[A-Za-z._~+/-]*[0-9=])[A-Za-z0-9._~+/-]{16,}=*)",
        "bearer basic token",
    ),
    _shape(
        "github-token",
        r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
    ),
    _shape(
        "gitlab-token",
        rf"gl(?:pat|oas|dt|rt|ptt|ft|imt|agent|soat|cbt)-{_BASE64URL}{{20,}}",
        "glpat- gloas- gldt- glrt- glptt- glft- glimt- glagent- glsoat- glcbt-",
    ),
    _shape("anthropic-key", rf"sk-ant-{_BASE64URL}{{20,}}", "sk-ant-"),
    _shape("openrouter-key", r"sk-or-v1-[0-9a-f]{32,}", "sk-or-v1-"),
    _shape("openai-key", rf"sk-(?=[A-Za-z_-]{{0,80}}[0-9]){_BASE64URL}{{20,}}", "sk-"),
    _shape(
        "model-key",
        r"(?:gsk_|xai-|pplx-|r8_|fw_|csk-|nvapi-|tvly-)[A-Za-z0-9_-]{28,}",
        "gsk_ xai- pplx- r8_ fw_ csk- nvapi- tvly-",
    ),
    _shape("huggingface-token", r"(?:hf|api_org)_[A-Za-z0-9]{30,}", "hf_ api_org_"),
    _shape("google-key", rf"AIza{_BASE64URL}{{35}}", "aiza"),
    _shape(
        "google-oauth",
        rf"GOCSPX-{_BASE64URL}{{20,}}|(?:ya29\.|1//0){_BASE64URL}{{20,}}",
        "gocspx- ya29. 1//0",
    ),
    _shape("aws-key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])", "akia asia abia acca"),
    _shape(
        "azure-key",
        r"(?:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})",
        "accountkey= sharedaccesskey=",
    ),
    _shape("digitalocean-token", r"do[opr]_v1_[0-9a-f]{64}", "_v1_"),
    _shape(
        "slack-token", r"(?:xox[abeoprs](?:\.xox[bp])?|xapp-[0-9])-[A-Za-z0-9-]{10,}", "xox xapp-"
    ),
    _shape(
        "webhook-address",
        r"https://(?:hooks\.slack\.com/(?:services|workflows|triggers)/"
        r"|(?:[a-z]{1,10}\.)?discord(?:app)?\.com/api/webhooks/)(?P<secret>[A-Za-z0-9/_-]{20,})",
        "hooks.slack.com /api/webhooks/",
    ),
    _shape("discord-token", rf"[MNO]{_BASE64URL}{{23,27}}\.{_BASE64URL}{{6}}\.{_BASE64URL}{{27,}}"),
    _shape("telegram-token", rf"[0-9]{{8,10}}:{_BASE64URL}{{35}}(?!{_BASE64URL})"),
    _shape("stripe-key", r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,}", "_live_ _test_ whsec_"),
    _shape(
        "square-token", rf"EAAA{_BASE64URL}{{60}}|sq0(?:atp|csp)-{_BASE64URL}{{22,}}", "eaaa sq0"
    ),
    _shape("shopify-token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}", "shp"),
    _shape("twilio-key", r"SK[0-9a-f]{32}(?![A-Za-z0-9])", "sk"),
    _shape("sendgrid-key", rf"SG\.{_BASE64URL}{{16,}}\.{_BASE64URL}{{16,}}", "sg."),
    _shape("mailgun-key", r"key-[0-9a-f]{32}(?![A-Za-z0-9])", "key-"),
    _shape("npm-token", r"npm_[A-Za-z0-9]{36}", "npm_"),
    _shape("pypi-token", rf"pypi-AgE{_BASE64URL}{{20,}}", "pypi-age"),
    _shape("docker-token", rf"dckr_pat_{_BASE64URL}{{20,}}", "dckr_pat_"),
    _shape("notion-token", r"(?:ntn_|secret_)(?=[A-Za-z]*[0-9])[A-Za-z0-9]{40,}", "ntn_ secret_"),
    _shape("linear-key", r"lin_(?:api|oauth)_[A-Za-z0-9]{30,}", "lin_"),
    _shape("atlassian-token", r"ATATT3[A-Za-z0-9_=-]{20,}", "atatt3"),
    _shape("airtable-token", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}", "pat"),
    _shape("figma-token", rf"fig[dour]_{_BASE64URL}{{30,}}", "fig"),
    _shape(
        "supabase-key",
        r"sb[ps]_(?:secret_)?[A-Za-z0-9_-]{30,}|sb_secret_[A-Za-z0-9_-]{20,}",
        "sbp_ sbs_ sb_secret_",
    ),
    _shape("databricks-token", r"dapi[0-9a-f]{32}", "dapi"),
    _shape("vault-token", rf"hv[sbr]\.{_BASE64URL}{{24,}}", "hv"),
    _shape(
        "monitoring-token",
        r"(?:glsa|glc|sntry[su])_[A-Za-z0-9_+/=-]{30,}|NRAK-[A-Z0-9]{27}",
        "glsa_ glc_ sntry nrak-",
    ),
    _shape("postman-key", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}", "pmak-"),
    _shape("openwork-token", r"owt_[0-9a-f]{32}", "owt_"),
    Shape(
        "address-login",
        r"(?<=\w://)(?P<secret>[^/@\s:]{0,256}:[^/@\s]{1,1024})(?=@)",
        marks=("://",),
    ),
    Shape(
        "address-parameter",
        rf"[?&;](?:{_NAME}|key|sig|signature|auth)=(?P<secret>[^&\s\"'#]{{8,}})",
        random=True,
        marks=("=",),
    ),
    Shape(  # whatever the name begins with: only its last word counts
        "assignment",
        rf"{_SECRET_WORD}[\"']?[ \t]{{0,3}}[=:][ \t]{{0,3}}[\"']?(?P<secret>{_VALUE})",
        random=True,
        marks=_SECRET_WORD_MARKS,
    ),
    Shape(
        "flag",
        rf"(?<![^\s\"'`=(\[,])--?{_NAME}[ \t][\"']?(?P<secret>{_VALUE})",
        random=True,
        marks=_SECRET_WORD_MARKS,
    ),
)
