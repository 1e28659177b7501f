"""Markdown with YAML front matter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace import frontmatter
from openwork.workspace.frontmatter import Document, parse
from openwork.workspace.paths import WorkspaceRoot

if TYPE_CHECKING:
    from pathlib import Path

COMMENTED = """\
---
# who wrote it
name: weekly # the folder's name
description: |
  Two
  lines

# tools it may use
allowed-tools:
  bash: false
  # no web
when: 2024-01-31
---

# Body
"""

plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
# What YAML 1.1 and 1.2 readers are tempted to take for something else.
tricky_text = st.sampled_from(
    ["yes", "on", "null", "~", "", "1", "1e5", "0x1F", "0o17", "12:30", "2024-01-31", "---", "...",
     "a: b", "# c", "- x", "'", '"', "a\nb", "\n", " x ", "{a}", "[a]", "*a", "&a", "!t", "%x",
     "<<", "\u2028", "\x85", "\ufeff", "\x07", "é", "😀", "\r\n", "=", ".5", "+1", "1_000", "true"]
)  # fmt: skip
text_value = plain_text | tricky_text
scalar = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | text_value
value = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text_value, inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(text_value, value, max_size=5)
line_end = st.sampled_from(["\n", "\r\n"])


def refusal_of(text: str) -> OpenWorkError:
    with pytest.raises(OpenWorkError) as caught:
        parse(text, name="a.md")
    return caught.value


def same(left: Any, right: Any) -> bool:
    return json.dumps(left) == json.dumps(right)


class TestReading:
    def test_fields_and_body_are_told_apart(self):
        document = parse("---\nname: a\nsubtask: false\nmodel:\n---\n\nBody\n", name="a.md")
        assert document.fields == {"name": "a", "subtask": False, "model": None}
        assert document.body == "\nBody\n"

    @pytest.mark.parametrize(
        "text", ["", "Body", "# ---", " ---\na: 1\n---\n", "----\n", "--- x\n"]
    )
    def test_text_without_an_opening_line_is_all_body(self, text):
        assert parse(text, name="a.md") == Document({}, text)

    @pytest.mark.parametrize(
        "written", ["2024-01-31", "12:30:00", "yes", "on", "0o17", "1_000", ".inf"]
    )
    def test_dates_times_and_the_like_are_text(self, written):
        assert parse(f"---\nv: {written}\n---\n", name="a.md").fields == {"v": written}

    @pytest.mark.parametrize("text", ["---\n---\n", "---\n# only a comment\n---\n", "---\n\n---"])
    def test_empty_front_matter_has_no_fields(self, text):
        document = parse(text, name="a.md")
        assert document.fields == {}
        assert document.text == text

    @pytest.mark.parametrize(
        ("text", "line", "column"),
        [
            ("---\na: 1\nb: [1\n---\n", 4, 1),
            ("---\na: 1\na: 2\n---\n", 3, 1),
            ("---\na: *x\n---\n", 2, 4),
            ("---\na: &x [1]\nb: *x\n---\n", 3, 4),
            ("---\na: !!python/object:os.system x\n---\n", 2, 4),
            ("---\na: !mine x\n---\n", 2, 4),
            ("---\n- a\n---\n", 2, 1),
            ("---\njust text\n---\n", 2, 1),
            ("---\na:\n  1: x\n---\n", 3, 3),
            ("---\nok: 1\nbell: a\x07b\n---\n", 3, 8),
            ("---\nnever: closed\n", 1, 1),
        ],
    )
    def test_what_does_not_parse_is_refused_with_its_place(self, text, line, column):
        error = refusal_of(text)
        assert (error.code, error.status) == ("invalid_frontmatter", 422)
        assert error.details == {"line": line, "column": column}
        assert error.message.startswith(f"a.md, line {line}, column {column}: ")

    def test_what_is_too_long_or_too_deep_is_refused(self):
        assert "longer" in refusal_of("---\na: " + "x" * 70_000 + "\n---\n").message
        assert "deeper" in refusal_of("---\na: " + "[" * 100 + "]" * 100 + "\n---\n").message
        assert "deeper" in refusal_of("---\na: " + "[" * 30_000 + "]" * 30_000 + "\n---\n").message

    def test_bytes_that_are_no_utf8_are_refused_with_their_place(self):
        with pytest.raises(OpenWorkError) as caught:
            frontmatter.parse_bytes(b"---\na: \xff\n---\n", name="a.md")
        assert caught.value.details == {"line": 2, "column": 4}

    def test_a_file_over_the_limit_is_not_read(self, tmp_path: Path):
        (tmp_path / "a.md").write_bytes(b"x" * (frontmatter.MAX_DOCUMENT_BYTES + 1))
        with pytest.raises(OpenWorkError) as caught:
            frontmatter.read(WorkspaceRoot(tmp_path).at("a.md"))
        assert caught.value.code == "file_too_large"


class TestEditing:
    def test_an_edit_touches_only_its_lines(self):
        document = parse(COMMENTED, name="a.md")
        edited = document.with_fields({"description": "One line", "trigger": "mondays"})
        expected = COMMENTED.replace("|\n  Two\n  lines", "One line")
        assert edited.text == expected.replace("31\n---", "31\ntrigger: mondays\n---")

    def test_removing_a_key_keeps_the_comments_around_it(self):
        edited = parse(COMMENTED, name="a.md").with_fields({}, remove=["allowed-tools"])
        assert edited.text == COMMENTED.replace("allowed-tools:\n  bash: false\n", "")

    def test_nothing_changes_when_the_values_are_there_already(self):
        document = parse("---\n'name':   \"a\"\n---\nB", name="a.md")
        assert document.with_fields({"name": "a"}, remove=["other"]) is document

    def test_windows_line_ends_and_the_byte_order_mark_stay(self):
        document = parse("\ufeff---\r\na: 1\r\n---\r\nBody\r\n", name="a.md")
        edited = document.with_fields({"a": 2, "b": "x"})
        assert edited.text == "\ufeff---\r\na: 2\r\nb: x\r\n---\r\nBody\r\n"

    def test_front_matter_on_one_line_is_written_anew(self):
        document = parse("---\n{a: 1, b: 2}\n---\nB", name="a.md")
        assert document.with_fields({"a": "x"}).text == "---\n{a: x, b: 2}\n---\nB"
        assert document.with_fields({"c": 3}).text == "---\na: 1\nb: 2\nc: 3\n---\nB"

    def test_a_text_without_front_matter_gets_one(self):
        assert parse("Body", name="a.md").with_fields({"a": "b"}).text == "---\na: b\n---\nBody"
        marked = parse("\ufeffBody\r\n", name="a.md").with_fields({"a": "b"})
        assert marked.text == "\ufeff---\r\na: b\r\n---\r\nBody\r\n"

    @pytest.mark.parametrize("bad", ["x" * 70_000, 10**30])
    def test_what_could_not_be_read_again_is_refused(self, bad):
        with pytest.raises(OpenWorkError) as caught:
            parse("Body", name="a.md").with_fields({"a": bad})
        assert caught.value.code == "invalid_payload"

    def test_half_a_surrogate_pair_cannot_be_written(self):
        with pytest.raises(OpenWorkError) as caught:
            frontmatter.encode("a\ud800")
        assert caught.value.code == "invalid_payload"


class TestRoundTrips:
    @given(plain_text)
    def test_any_text_that_parses_is_put_together_unchanged(self, text):
        for candidate in (text, f"---\n{text}", f"---\n{text}\n---\n{text}"):
            try:
                document = parse(candidate, name="a.md")
            except OpenWorkError:
                continue
            assert document.text == candidate

    @given(fields, plain_text)
    def test_what_was_written_is_read_again(self, wanted, body):
        written = Document({}, body).with_fields(wanted)
        again = parse(written.text, name="a.md")
        assert same(again.fields, wanted)
        assert again.body == body.removeprefix("\ufeff")

    @given(st.dictionaries(text_value, text_value, max_size=4))
    def test_other_readers_take_texts_for_texts_too(self, wanted):
        front = Document({}, "").with_fields(wanted).front
        assert (yaml.safe_load(front) or {}) == wanted

    @given(fields, fields, st.data(), line_end)
    def test_an_edit_keeps_the_body_and_the_order_of_other_keys(self, first, changes, data, end):
        body = f"{end}# Body{end}---{end}"
        text = Document({}, body).with_fields(first).text
        gone = data.draw(st.sets(st.sampled_from(sorted(first)))) if first else set()
        edited = parse(text, name="a.md").with_fields(changes, remove=gone)
        again = parse(edited.text, name="a.md")
        expected = {key: val for key, val in first.items() if key not in gone - set(changes)}
        expected.update(changes)
        assert same(again.fields, expected)
        assert edited.text.endswith(body)


class TestLooseColons:
    """``key: text: more`` is no YAML, but the engine reads it, and people write it."""

    LOOSE = '---\n# mine\nname: it\ndescription: Use it: "now" \nwhen: a: b # c\n---\nBody\n'

    def test_it_is_read_as_the_engine_reads_it_and_kept_as_it_is(self):
        document = parse(self.LOOSE, name="a.md")
        assert document.fields == {
            "name": "it", "description": 'Use it: "now"', "when": "a: b # c"
        }  # fmt: skip
        assert document.text == self.LOOSE
        assert document.with_fields({"name": "it"}).text == self.LOOSE

    def test_an_edit_puts_it_right_and_keeps_the_comments(self):
        edited = parse(self.LOOSE, name="a.md").with_fields({"name": "other"})
        assert edited.text.startswith('---\n# mine\nname: other\ndescription: "Use it: \\"now')
        assert yaml.safe_load(edited.front) == dict(edited.fields)

    @pytest.mark.parametrize("line", ["a: [b: c: d", "a: b: c\nx: [", "a: b: c\na: d", "- a: b: c"])
    def test_what_is_wrong_otherwise_stays_refused(self, line):
        assert refusal_of(f"---\n{line}\n---\n").code == "invalid_frontmatter"

    def test_long_lines_of_colons_take_no_time(self):
        assert refusal_of(f"---\na: {':' * 60_000}{' ' * 5_000}\n'\n---\n")
