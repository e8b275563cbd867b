"""Any layouts that ZFS takes, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from fonoteca.pools.layout import Layout, VdevShape

raidz = st.integers(1, 3).flatmap(lambda parity: st.builds(VdevShape, st.just("raidz"), st.just(parity), st.integers(parity + 1, 40)))
expanded = st.builds(lambda made, more: VdevShape("raidz", made.parity, made.width + more, made_width=made.width), raidz, st.integers(1, 9))
mirrors = st.builds(VdevShape, st.just("mirror"), st.just(0), st.integers(2, 5))
disks = st.just(VdevShape("stripe", 0, 1))
draids = st.builds(
    lambda parity, data, spares, more: VdevShape("draid", parity, data + parity + spares + more, data, spares),
    st.integers(1, 3), st.integers(1, 16), st.integers(0, 4), st.integers(0, 40),
)  # fmt: skip
layouts = st.builds(
    Layout, st.lists(raidz | expanded | mirrors | disks | draids, min_size=1, max_size=6).map(tuple), st.integers(0, 9),
    st.none() | mirrors, st.none() | mirrors | disks,
)  # fmt: skip
