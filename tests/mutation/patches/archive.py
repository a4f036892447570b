"""The archive of the functions."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import archive

_ARCHIVE = (
    archive(
        "byte-code/of-another-runtime",
        "test_each_module_has_byte_code_of_the_configured_runtime",
        Edit("infra/packaging/bytecode.py", 'runtime.replace("python", "pyodide-")', '"pyodide-3.12"'),
    ),
    archive(
        "byte-code/none",
        "test_each_module_has_byte_code_of_the_configured_runtime",
        Edit("infra/packaging/archive.py", "                compiler.compile(folder)\n", "                pass\n"),
    ),
    archive(
        "byte-code/by-whatever-is-installed",
        "test_a_compiler_of_another_version_than_the_pinned_one_is_none",
        Edit("infra/packaging/bytecode.py", 'rf"npm:pyodide@{re.escape(installed)}"', '".*"'),
    ),
    archive(
        "same-archive/names-where-it-was-made",
        "test_equal_sources_are_the_same_archive_byte_for_byte_on_any_machine",
        Edit("infra/packaging/bytecode.py", "self.package, folder, _TASK_ROOT]", "self.package, folder, folder]"),
    ),
    archive(
        "same-archive/modes-as-the-mask-says",
        "test_equal_sources_are_the_same_archive_byte_for_byte_on_any_machine",
        Edit("infra/packaging/archive.py", "            _normalise(temporary)\n", ""),
    ),
    archive(
        "without-byte-code/in-silence",
        "test_without_a_compiler_packaging_says_what_that_costs",
        Edit("infra/packaging/archive.py", "sys.stderr.write(", "str("),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (*_ARCHIVE,)
