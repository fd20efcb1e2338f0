from textwrap import dedent

import pytest

from jobsvalkey.valkey.linking import Libraries

SOURCES = {
    "keys": """\
        -- The keys.
        local Q = KEYS[1]

        local function key_of(id) return Q .. id end
        local function fault(text) return redis.error_reply(text) end
    """,
    "time": """\
        -- The time.
        local now
        now = tonumber(clock)
    """,
    "hints": """\
        -- Hints.
        -- uses: keys time
        local WAKE = Q .. 'wake'
        local hints
        local function count_hints() hints = redis.call('LLEN', WAKE) end

        -- Leave one.
        local function wake()
          if hints == 0 then redis.call('LPUSH', WAKE, now) end
        end
    """,
    "ends": """\
        -- Ends.
        -- uses: hints
        local function end_job(id)
          if is_late then
            -- uses: keys
            return fault('late')
          end
          redis.call('DEL', key_of(id)) -- fault
          wake()
        end
    """,
}
LIBRARIES = Libraries({name: dedent(text) for name, text in SOURCES.items()})


def link(script: str) -> str:
    return LIBRARIES.link(dedent(script))


def test_what_is_not_used_is_left_out_and_what_is_used_by_it_comes_first() -> None:
    assert link("""\
        -- uses: hints
        count_hints()
    """) == dedent("""\
        local Q = KEYS[1]

        local WAKE = Q .. 'wake'
        local hints
        local function count_hints() hints = redis.call('LLEN', WAKE) end

        count_hints()
    """)


def test_a_name_in_a_string_or_a_comment_or_of_a_field_is_no_use() -> None:
    assert (
        link("""\
        -- uses: keys
        return 'fault' .. script.Q -- fault
    """)
        == "return 'fault' .. script.Q -- fault\n"
    )


def test_an_inner_block_has_what_is_used_there_alone() -> None:
    assert link("""\
        -- uses: keys
        if is_rare then
          -- uses: time
          note(now)
          return fault('rare')
        elseif is_rarer then
          -- uses: time keys
          return fault(now)
        end
        return key_of('1')
    """) == dedent("""\
        local Q = KEYS[1]

        local function key_of(id) return Q .. id end
        local function fault(text) return redis.error_reply(text) end
        if is_rare then
          local now
          now = tonumber(clock)
          note(now)
          return fault('rare')
        elseif is_rarer then
          local now
          now = tonumber(clock)
          return fault(now)
        end
        return key_of('1')
    """)


def test_a_variable_is_shared_by_inner_blocks() -> None:
    linked = link("""\
        -- uses: keys
        if is_first then
          -- uses: hints
          count_hints()
        end
        if is_second then
          -- uses: hints
          wake()
        end
    """)
    assert linked.startswith("local hints\nif is_first then\n  local Q = KEYS[1]\n\n  local WAKE")
    assert linked.count("local hints\n") == 1
    assert linked.count("local function wake()") == 1


def test_each_name_of_an_assignment_to_several_is_a_variable() -> None:
    library = """\
        local seen
        local length
        local function forget() seen, length = {}, 0 end
        local function note() return { found = seen, at = length } end
    """
    linked = Libraries({**LIBRARIES.sources, "notes": dedent(library)}).link(
        dedent("""\
            -- uses: keys
            if is_first then
              -- uses: notes
              forget()
            end
            if is_second then
              -- uses: notes
              note()
            end
        """)
    )
    assert linked.startswith("local seen\nlocal length\nif is_first then\n  local function forget()")
    assert linked.count("local seen\n") == linked.count("local length\n") == 1


def test_a_definition_may_have_inner_blocks() -> None:
    linked = link("""\
        -- uses: ends
        end_job('1')
    """)
    assert "  if is_late then\n    local function fault(" in linked
    assert "\nlocal function fault(" not in linked
    assert linked.index("local function key_of(") < linked.index("local function end_job(")


def test_what_stands_further_up_is_not_repeated() -> None:
    linked = link("""\
        -- uses: ends
        if is_late then return fault('late') end
        end_job('1')
    """)
    assert linked.count("local function fault(") == 1
    assert linked.index("local function fault(") < linked.index("local function end_job(")


def test_a_library_that_no_line_further_up_names_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"no line '-- uses:' further up names the library of now$"):
        link("""\
            -- uses: keys
            if is_first then
              -- uses: time
              note(now)
            end
            return now
        """)
