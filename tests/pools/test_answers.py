"""Another machine may say a few words here, about datasets that are its own; whatever else it says is refused."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fonoteca.ground.errors import AccessError
from fonoteca.pools.proving_replica import ReadRequest
from fonoteca.pools.remote_answers import (
    ForgetRequest,
    KeepRequest,
    ListRequest,
    ReceiveRequest,
    Request,
    Rules,
    SendRequest,
    parse_request,
    split_request,
    write_request,
)
from fonoteca.pools.replication import Step
from zfs_model import make_token

ROOT = "backup/fonoteca"
RECEIVE = Rules(ROOT, "receive")
SEND = Rules(ROOT, "send", "attic")
BELOW = st.from_regex(r"\A(/[a-z0-9_:][a-zA-Z0-9_.: -]{0,8}[a-z])?(/[a-z]+)?\Z").map(lambda rest: ROOT + rest)
SNAPSHOTS = st.from_regex(r"\A[a-z0-9_.:][A-Za-z0-9_.: -]{0,20}\Z")
NUMBERS = st.integers(0, 2**64 - 1)


def steps() -> st.SearchStrategy[Step]:
    return st.one_of(
        st.builds(lambda d, s, g: Step("full", d, "", s, g), BELOW, SNAPSHOTS, NUMBERS),
        st.builds(lambda k, d, s, g, b: Step(k, d, "", s, g, b), st.sampled_from(["incremental", "bookmark"]), BELOW, SNAPSHOTS, NUMBERS,
                  SNAPSHOTS),
        st.builds(lambda d, s, g: Step("resume", d, "", s, g, token=make_token(f"{d}@{s}", g)), BELOW, SNAPSHOTS, NUMBERS),
    )  # fmt: skip


RECEIVING = st.one_of(
    st.just(ListRequest()), st.builds(ReceiveRequest, BELOW, NUMBERS, NUMBERS, st.booleans()), st.builds(ForgetRequest, BELOW),
    st.builds(ReadRequest, BELOW, SNAPSHOTS, NUMBERS, st.sampled_from([".", "release", "my archive/x"]), st.none() | NUMBERS, NUMBERS),
)  # fmt: skip
SENDING = st.one_of(
    st.just(ListRequest()), st.builds(SendRequest, steps(), st.booleans()), st.builds(KeepRequest, BELOW, SNAPSHOTS, st.booleans())
)


@given(RECEIVING)
def test_what_a_sender_asks_arrives_as_it_was_meant(request: Request) -> None:
    assert parse_request(split_request(shlex.join(write_request(request, RECEIVE))), RECEIVE) == request


@given(SENDING)
def test_what_a_fetcher_asks_arrives_as_it_was_meant(request: Request) -> None:
    assert parse_request(split_request(shlex.join(write_request(request, SEND))), SEND) == request


@pytest.mark.parametrize("text", [
    "", "bash", "rm -rf /", "zfs destroy -r backup/fonoteca", "scp -t /", "/usr/lib/openssh/sftp-server", "'", "-- ", "--",
    "x -- destroy backup/fonoteca", "x -- rollback backup/fonoteca@1", "x -- receive -F backup/fonoteca 1 0 filesystem", "x -- rename a b",
    "x -- receive backup/fonoteca 1", "x -- receive backup/fonoteca 1 0 -F",
    "x -- receive backup/fonoteca 1 0 filesystem -F", "x -- receive -F 1 0 filesystem",
    "x -- set readonly=off backup/fonoteca",
    "x -- receive backup/other 1 0 filesystem", "x -- receive backup/fonotecaX 1 0 filesystem", "x -- receive backup 1 0 filesystem",
    "x -- receive backup/fonoteca/../other 1 0 filesystem",
    "x -- receive backup/fonoteca/.. 1 0 filesystem", "x -- receive backup/fonoteca@1 1 0 filesystem",
    "x -- receive 'backup/fonoteca;reboot' 1 0 filesystem",
    "x -- receive backup/fonoteca '1; reboot' 0 filesystem", "x -- receive '' 1 0 filesystem",
    "x -- forget backup/other", "x -- forget backup/fonoteca@1",
    "x -- send full backup/fonoteca 1 5 - -", "x -- pin backup/fonoteca 1", "x -- hold backup/fonoteca 1",
    "x -- read backup/fonoteca 1 5 ../../etc all 0", "x -- read backup/fonoteca 1 5 /etc all 0", "x -- read backup/fonoteca 1 5 a//b all 0",
    "x --may send --dataset backup -- list", "x -- LIST", "x\n-- list\nlist x", "x -- list\0",
])  # fmt: skip
def test_sender_that_was_taken_over_is_refused(text: str) -> None:
    if text == "x --may send --dataset backup -- list":
        assert parse_request(split_request(text), RECEIVE) == ListRequest()  # what stands before -- counts for nothing
        return
    with pytest.raises(AccessError, match="refused"):
        parse_request(split_request(text), RECEIVE)


@pytest.mark.parametrize("text", [
    "x -- receive backup/fonoteca 1 0 filesystem", "x -- forget backup/fonoteca", "x -- send full tank/secret 1 5 - -",
    "x -- send full backup 1 5 - -",
    f"x -- send resume backup/fonoteca 1 5 - {make_token('tank/secret@1', 5)}", "x -- send resume backup/fonoteca 1 5 - 1-0-0-00",
    f"x -- send resume backup/fonoteca 1 5 - {make_token('backup/fonoteca@1', 6)}", "x -- send resume backup/fonoteca 1 5 - -",
    "x -- send incremental backup/fonoteca 1 5 tank/secret@1 -", "x -- send -R backup/fonoteca 1 5 - -", "x -- pin tank/secret 1",
    "x -- release backup/fonoteca 1", "x -- pin backup/fonoteca 1 other",
])  # fmt: skip
def test_fetcher_that_was_taken_over_is_refused(text: str) -> None:
    with pytest.raises(AccessError, match="refused"):
        parse_request(split_request(text), SEND)


def test_fetcher_without_a_name_holds_nothing() -> None:
    with pytest.raises(AccessError, match="--replica"):
        parse_request(["pin", ROOT, "1"], Rules(ROOT, "send"))


@given(st.text(max_size=200), st.lists(st.text(max_size=40), max_size=8))
def test_whatever_is_said_is_a_request_within_the_rules_or_refused(text: str, words: list[str]) -> None:
    for attempt in (lambda: split_request(text), lambda: words, lambda: split_request("x -- " + text)):
        for rules in (RECEIVE, SEND):
            try:
                request = parse_request(attempt(), rules)
            except AccessError:
                continue
            dataset = getattr(request, "dataset", ROOT)
            assert dataset == ROOT or dataset.startswith(ROOT + "/")
