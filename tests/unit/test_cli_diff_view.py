"""A change at the prompt: its lines, without the patch's headers, named from the workspace."""

from __future__ import annotations

from openwork.cli.diff_view import readable_diff

ONE_FILE = """Index: /reports/summary.md
===================================================================
--- /reports/summary.md
+++ /reports/summary.md
@@ -1,2 +1,2 @@
 # Summary
-old
+new
"""
DELETED_RULE = """Index: /reports/a.md
===================================================================
--- /reports/a.md
+++ /reports/a.md
@@ -1,2 +1,1 @@
--- a rule that is deleted
 kept
\\ No newline at end of file
"""


def test_one_file_is_shown_without_headers():
    assert readable_diff(ONE_FILE, "/reports") == "@@ -1,2 +1,2 @@\n # Summary\n-old\n+new"


def test_several_files_are_named_from_the_workspace():
    shown = readable_diff(ONE_FILE + DELETED_RULE, "/reports").splitlines()
    assert shown[0] == "summary.md"
    assert "a.md" in shown
    assert not [line for line in shown if "/reports" in line or line.startswith(("===", "+++"))]


def test_a_deleted_line_that_looks_like_a_header_is_shown():
    assert readable_diff(DELETED_RULE, "/reports").splitlines()[1:] == [
        "--- a rule that is deleted",
        " kept",
    ]


def test_a_hunk_of_one_line_has_no_count():
    assert readable_diff("--- a\n+++ a\n@@ -0,0 +1 @@\n+one\n", "") == "@@ -0,0 +1 @@\n+one"
