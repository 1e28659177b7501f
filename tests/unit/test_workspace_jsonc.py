"""JSON with comments: read exactly, edited by spans."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from openwork.common.errors import OpenWorkError
from openwork.workspace.jsonc import dump, parse, remove, set_value
from openwork.workspace.jsonc_tree import MAX_DEPTH, Node, parse_tree

CONFIG = """\
// Our engine
{
    "$schema": "https://opencode.ai/config.json", // do not touch
    /* tools */
    "permission": {
        "edit": "ask", // people look first
        "bash": "ask"
    },
    "plugin": ["a", "b"],
    // "theme": "dark",
}
"""


class TestReading:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (" 1 // one", 1),
            ("/* a */ [1, /* b */ 2,] // c", [1, 2]),
            ('{"a": 1, "a": 2,}', {"a": 2}),
            ("\ufeff{}", {}),
            ('"\\ud83d\\ude00\\n\\/"', "😀\n/"),
            ("[-0.5e+3, 1E2, 0, -0]", [-500.0, 100.0, 0, 0]),
            ("[true,false,null]", [True, False, None]),
            ('{"//": "/* no comment */"}', {"//": "/* no comment */"}),
            ("//c\r1", 1),
            ("/***/1/**/", 1),
        ],
    )
    def test_values(self, text: str, expected: object):
        assert parse(text) == expected

    @pytest.mark.parametrize(
        ("text", "code", "offset", "length"),
        [
            ("", "ValueExpected", 0, 0),
            ("// only a comment", "ValueExpected", 17, 0),
            ('{"a": nope}', "ValueExpected", 6, 4),
            ('{"a" 1}', "ColonExpected", 5, 1),
            ('{"a": 1 "b": 2}', "CommaExpected", 8, 1),
            ("{a: 1}", "PropertyNameExpected", 1, 1),
            ("{,}", "PropertyNameExpected", 1, 1),
            ('{"a": 1', "CloseBraceExpected", 7, 0),
            ("[1", "CloseBracketExpected", 2, 0),
            ("[,]", "ValueExpected", 1, 1),
            ("[1,,2]", "ValueExpected", 3, 1),
            ("{} {}", "EndOfFileExpected", 3, 1),
            ("01", "EndOfFileExpected", 1, 1),
            ("1.", "UnexpectedEndOfNumber", 0, 2),
            ("1e999", "InvalidNumberFormat", 0, 5),
            ("/* open", "UnexpectedEndOfComment", 0, 1),
            ("/ 1", "InvalidSymbol", 0, 1),
            ('"open', "UnexpectedEndOfString", 0, 1),
            ('"a\nb"', "UnexpectedEndOfString", 0, 1),
            ('"\\x"', "InvalidEscapeCharacter", 0, 1),
            ('"\\u12"', "InvalidUnicode", 0, 1),
            ('"a\tb"', "InvalidCharacter", 0, 1),
            ('["😀", x]', "ValueExpected", 7, 1),
        ],
    )
    def test_a_fault_is_named_with_its_place(self, text: str, code: str, offset: int, length: int):
        with pytest.raises(OpenWorkError) as caught:
            parse(text, name="opencode.jsonc")
        error = caught.value
        assert (error.code, error.status) == ("invalid_jsonc", 422)
        assert error.details == [{"code": code, "offset": offset, "length": length}]
        assert "opencode.jsonc" in error.message

    def test_the_message_has_line_and_column(self):
        with pytest.raises(OpenWorkError, match=r"comma expected, line 3, column 3\."):
            parse('{\r\n  "a": 1\r\n  "b": 2\r\n}')

    @pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
    def test_deep_nesting_is_a_plain_error(self, opening: str):
        for action in (parse, lambda text: set_value(text, ["a"], 1), lambda t: remove(t, ["a"])):
            with pytest.raises(OpenWorkError, match="nesting too deep"):
                action(opening * 10_000)

    def test_the_deepest_allowed_text_is_read(self):
        assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None

    @pytest.mark.parametrize(
        "text",
        [
            "/*" + "*" * 1_000_000 + "/1",
            "//" * 500_000 + "\n1",
            "\n" * 1_000_000 + "1",
            '"' + "\\n" * 500_000 + '"',
            "[" + "/**/" * 250_000 + "1]",
            "[" + "1," * 100_000 + "]",
        ],
        ids=["stars", "slashes", "newlines", "escapes", "comments", "items"],
    )
    @pytest.mark.timeout(10)
    def test_no_text_makes_it_slow(self, text: str):
        assert parse(set_value(text, [], 2)) == 2


class TestSetting:
    def test_only_the_value_changes(self):
        edited = set_value(CONFIG, ["permission", "edit"], "allow")
        assert edited == CONFIG.replace('"edit": "ask"', '"edit": "allow"')

    def test_a_new_key_takes_the_file_s_style(self):
        edited = set_value(CONFIG, ["permission", "webfetch", "*"], "deny")
        assert edited == CONFIG.replace(
            '        "bash": "ask"\n',
            '        "bash": "ask",\n        "webfetch": {\n            "*": "deny"\n        }\n',
        )

    def test_a_new_key_comes_behind_the_comments_and_keeps_the_trailing_comma(self):
        edited = set_value(CONFIG, ["model"], "x/y")
        assert edited == CONFIG.replace('"dark",\n', '"dark",\n    "model": "x/y",\n')

    def test_a_list_on_one_line_stays_on_it(self):
        edited = set_value(CONFIG, ["plugin", 2], {"c": [1]})
        assert edited == CONFIG.replace('["a", "b"]', '["a", "b", {"c": [1]}]')

    def test_an_object_is_replaced_member_by_member(self):
        edited = set_value(CONFIG, ["permission"], {"edit": "ask", "bash": "deny", "new": []})
        assert edited == CONFIG.replace('"bash": "ask"\n', '"bash": "deny",\n        "new": []\n')

    def test_an_object_in_another_order_is_written_in_that_order(self):
        edited = set_value(CONFIG, ["permission"], {"bash": "ask", "edit": "ask"})
        assert list(parse(edited)["permission"]) == ["bash", "edit"]  # type: ignore[index,call-overload]

    @pytest.mark.parametrize(
        ("text", "path", "value", "expected"),
        [
            ("{}", ["a"], 1, '{\n  "a": 1\n}'),
            ("{ }\n", ["a", "b"], 1, '{\n  "a": {\n    "b": 1\n  }\n}\n'),
            ("[]", [0], 1, "[\n  1\n]"),
            ('{"a":1}', ["b"], 2, '{"a":1, "b": 2}'),
            ('{"a":1,}', ["b"], 2, '{"a":1, "b": 2,}'),
            ('{"a": {}}', ["a", "b"], 1, '{"a": {"b": 1}}'),
            ("{ // c\n}", ["a"], 1, '{ // c\n  "a": 1\n}'),
            ("{ // c\n}", [], {"a": 1}, '{ // c\n  "a": 1\n}'),
            ('{"a": {/* c */}}', ["a"], {"b": 1}, '{"a": {/* c */ "b": 1}}'),
            (
                '{\n\t"a": 1 // c\n}',
                ["b"],
                {"x": 1},
                '{\n\t"a": 1, // c\n\t"b": {\n\t\t"x": 1\n\t}\n}',
            ),
            ('{\r\n "a": 1\r\n}\r\n', ["b"], [1], '{\r\n "a": 1,\r\n "b": [\r\n  1\r\n ]\r\n}\r\n'),
            ('\ufeff{\n  "a": 1\n}', ["a"], 2, '\ufeff{\n  "a": 2\n}'),
            ('{"a": 1, "a": 2}', ["a"], 3, '{"a": 1, "a": 3}'),
            ("// c\n1 // d", [], {"a": 1}, '// c\n{\n  "a": 1\n} // d'),
            ("[1, 2]", [0], "x", '["x", 2]'),
            ("{}", ["l", 0, "x"], 1, '{\n  "l": [\n    {\n      "x": 1\n    }\n  ]\n}'),
            ("{}", ["a"], "\ud800é", '{\n  "a": "\\ud800é"\n}'),
        ],
    )
    def test_forms(self, text: str, path: list[str | int], value: Any, expected: str):
        assert set_value(text, path, value) == expected

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (["plugin", "x"], 1),
            (["plugin", 3], 1),
            (["plugin", -1], 1),
            (["$schema", "x"], 1),
            ([0], 1),
            (["new", 1], 1),
            (["new"], float("nan")),
            (["new"], [float("inf")]),
            (["new"], {1: 2}),
            (["new"], object()),
            pytest.param(["new"], 10**5000, id="too many digits"),
            (["new"] * 200, 1),
        ],
    )
    def test_what_does_not_fit_is_refused(self, path: list[str | int], value: Any):
        with pytest.raises(OpenWorkError) as caught:
            set_value(CONFIG, path, value)
        assert (caught.value.code, caught.value.status) == ("invalid_payload", 400)

    def test_a_value_without_end_is_refused(self):
        endless: list[Any] = []
        endless.append(endless)
        with pytest.raises(OpenWorkError, match="nested deeper"):
            set_value("{}", ["a"], endless)

    @pytest.mark.parametrize("text", ['{"a": 1', "{'a': 1}", "", '{"a": 1}}'])
    def test_a_damaged_text_is_never_edited(self, text: str):
        for edit in (lambda: set_value(text, ["a"], 2), lambda: remove(text, ["a"])):
            with pytest.raises(OpenWorkError) as caught:
                edit()
            assert caught.value.code == "invalid_jsonc"


class TestRemoving:
    @pytest.mark.parametrize(
        ("text", "path", "expected"),
        [
            ('{"a": 1, "b": 2}', ["a"], '{"b": 2}'),
            ('{"a": 1, "b": 2}', ["b"], '{"a": 1}'),
            ('{"a": 1}', ["a"], "{}"),
            ('{\n  "a": 1\n}\n', ["a"], "{}\n"),
            ('{\n  "a": 1,\n  "b": 2\n}', ["b"], '{\n  "a": 1\n}'),
            ('{\n  "a": 1,\n  "b": 2,\n}', ["b"], '{\n  "a": 1,\n}'),
            ('{\n  "a": 1, // c\n  "b": 2\n}', ["b"], '{\n  "a": 1 // c\n}'),
            ('{\n  // c\n  "a": 1\n}', ["a"], "{\n  // c\n}"),
            ('{\n  "a": 1, // c\n  "b": 2\n}', ["a"], '{\n  // c\n  "b": 2\n}'),
            ('{"a": 1, "b": 2, "a": 3}', ["a"], '{"b": 2}'),
            ("[1, 2, 3]", [1], "[1, 3]"),
            ('{"a": {"b": [1]}}', ["a", "b", 0], '{"a": {"b": []}}'),
            ('{"a": 1}', ["b"], '{"a": 1}'),
            ('{"a": 1}', ["a", "b"], '{"a": 1}'),
            ("[1]", [1], "[1]"),
            ("[1]", ["a"], "[1]"),
        ],
    )
    def test_forms(self, text: str, path: list[str | int], expected: str):
        assert remove(text, path) == expected

    def test_the_whole_document_stays(self):
        with pytest.raises(OpenWorkError) as caught:
            remove("{}", [])
        assert caught.value.code == "invalid_payload"


keys = st.sampled_from(["a", "b", "c", 'é"\\', "//", "/*", ""])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.sampled_from(["// x", "/* x */", '",', "}"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A random value written with random white space, numbered comments, and trailing commas."""
    number = iter(range(10_000))
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    busy = draw(st.booleans())

    def gap() -> str:
        choices = ["", "", " ", line_end + "  "]
        if busy:
            choices += [f" /*{next(number)}*/", f"//{next(number)} ,{{{line_end}"]
        return draw(st.sampled_from(choices))

    def write(value: Any) -> str:
        if isinstance(value, dict):
            items = [
                f"{json.dumps(key)}{gap()}:{gap()}{write(item)}" for key, item in value.items()
            ]
            return bracketed("{", items, "}")
        if isinstance(value, list):
            return bracketed("[", [write(item) for item in value], "]")
        return json.dumps(value, ensure_ascii=draw(st.booleans()))

    def bracketed(start: str, items: list[str], end: str) -> str:
        comma = draw(st.sampled_from(["", ","])) if items else ""
        return start + gap() + f"{gap()},{gap()}".join(items) + gap() + comma + gap() + end

    value = draw(st.dictionaries(keys, values, max_size=4) | st.lists(values, max_size=4))
    return gap() + write(value) + gap()


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(item, (*path, key))
    return found


def node_at(tree: Node, path: tuple[str | int, ...]) -> tuple[int, int]:
    """The span of the member or item at ``path``."""
    start = tree.start
    for step in path:
        children = tree.children
        child = next(c for i, c in enumerate(children) if step == (i if c.key is None else c.key))
        start, tree = child.start, child.node
    return start, tree.end


COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"|(/\*.*?\*/|//[^\r\n]*)', re.DOTALL)


def comments(text: str, without: tuple[int, int] = (0, 0)) -> list[str]:
    found = [match for match in COMMENT.finditer(text) if match.group(1)]
    return [m.group(1) for m in found if not without[0] <= m.start() < without[1]]


def parent_of(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value


def is_subsequence(short: list[str], long: list[str]) -> bool:
    rest = iter(long)
    return all(item in rest for item in short)


class TestAnyEdit:
    @settings(deadline=None)
    @given(documents(), st.data())
    def test_setting_an_existing_value(self, text: str, data: st.DataObject):
        before = parse(text)
        path = data.draw(st.sampled_from(places(before)))
        value = data.draw(values)
        edited = set_value(text, path, value)
        expected: Any = copy.deepcopy(before)
        if path:
            parent_of(expected, path)[path[-1]] = value
        else:
            expected = value
        assert dump(parse(edited)) == dump(expected)
        span = node_at(parse_tree(text), path)
        assert is_subsequence(comments(text, span), comments(edited))
        assert set_value(edited, path, value) == edited

    @settings(deadline=None)
    @given(documents(), st.data())
    def test_adding_a_value(self, text: str, data: st.DataObject):
        before = parse(text)
        expected: Any = copy.deepcopy(before)
        parents = [
            p for p in places(before) if isinstance(parent_of(before, (*p, 0)), (dict, list))
        ]
        path = data.draw(st.sampled_from(parents))
        value = data.draw(values)
        target = parent_of(expected, (*path, 0))
        if isinstance(target, dict):
            target["new"] = {"deep": value}
            edited = set_value(text, [*path, "new", "deep"], value)
        else:
            edited = set_value(text, [*path, len(target)], value)
            target.append(value)
        assert dump(parse(edited)) == dump(expected)
        assert comments(edited) == comments(text)

    @settings(deadline=None)
    @given(documents(), st.data())
    def test_removing_a_value(self, text: str, data: st.DataObject):
        before = parse(text)
        path = data.draw(st.sampled_from(places(before)))
        assume(path)
        edited = remove(text, path)
        expected: Any = copy.deepcopy(before)
        del parent_of(expected, path)[path[-1]]
        assert dump(parse(edited)) == dump(expected)
        span = node_at(parse_tree(text), path)
        assert comments(edited) == comments(text, span)

    @settings(deadline=None)
    @given(documents(), st.data())
    def test_changing_members_of_an_object_keeps_its_other_comments(
        self, text: str, data: st.DataObject
    ):
        before: Any = parse(text)
        assume(isinstance(before, dict))
        gone = data.draw(st.sets(st.sampled_from(sorted(before)))) if before else set[str]()
        kept = {key: item for key, item in before.items() if key not in gone}
        wanted = {**kept, "new": data.draw(values), "newer": 1}
        edited = set_value(text, [], wanted)
        assert dump(parse(edited)) == dump(wanted)
        if kept or not before:
            tree = parse_tree(text)
            spans = [node_at(tree, (key,)) for key in gone]
            inside = [comment for span in spans for comment in comments(text[slice(*span)])]
            rest = [comment for comment in comments(text) if comment not in inside]
            assert comments(edited) == rest

    @settings(deadline=None)
    @given(
        st.text(alphabet=st.sampled_from('{}[],:"/*\\ \n\r\t1-.eEtrufalsn\ufeffé\0'), max_size=12)
    )
    def test_no_text_breaks_the_reader(self, text: str):
        try:
            value = parse(text)
        except OpenWorkError as error:
            assert error.code == "invalid_jsonc"  # noqa: PT017  # both outcomes are right
        else:
            json.dumps(value)
