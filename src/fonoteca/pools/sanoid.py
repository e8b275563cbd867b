"""sanoid.conf from the policies of archive.toml, and what sanoid says that it does. sanoid makes and prunes the snapshots.

Read from sanoid 2.1 and 2.2 (their `init`, `take_snapshots`, `prune_snapshots`): sections are looked at in the order of the file, one for
a child overrides what its parent spread by recursion; `recursive = zfs` takes parent and children at one moment, and prunes each by itself;
the names of children are asked for through a shell, so that recursion goes astray at a name with a space.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from fonoteca.pools.policy import KINDS, Policy, lies_in, policy_for

SANOID_CONF = "etc/sanoid/sanoid.conf"
PRUNE_DROP_IN = "etc/systemd/system/sanoid-prune.service.d/fonoteca.conf"
HEADING = "# Written by fonoteca from [pool] of archive.toml; change it there and write this anew.\n"


class Section(msgspec.Struct, frozen=True):
    """One dataset in sanoid.conf. `recursive` is "zfs", "yes" or empty."""

    policy: Policy
    takes: bool
    recursive: str

    @property
    def template(self) -> str:
        """The name of its template, such as fonoteca_24_31_12_3."""
        return "_".join(["fonoteca", *(str(count) for count in self.policy.counts), *([] if self.takes else ["pruned"])])


def write_sanoid_conf(policies: Sequence[Policy], datasets: Sequence[str]) -> str:
    """The text of sanoid.conf; `datasets` are the names of all file systems there are."""
    sections = plan_sections(policies, datasets)
    parts = [HEADING]
    for section in sections:
        recursive = f"\trecursive = {section.recursive}\n" if section.recursive else ""
        parts.append(f"[{section.policy.dataset}]\n\tuse_template = {section.template}\n{recursive}")
    templates = {section.template: section for section in sections}
    return "\n".join(parts + [_template(section) for _, section in sorted(templates.items())])


def plan_sections(policies: Sequence[Policy], datasets: Sequence[str]) -> list[Section]:
    """The sections in the order that sanoid needs: parents first."""
    found: list[Section] = []
    for policy in policies:
        atomic = any(one.recursive == "zfs" and lies_in(policy.dataset, one.policy.dataset) for one in found)
        takes = policy.takes_snapshots and not atomic
        if " " in policy.dataset:
            found += _written_out(policy, policies, datasets, takes)
        else:
            found.append(Section(policy, takes, "zfs" if takes and _can_be_atomic(policy, policies) else "yes"))
    return found


def parse_taken(text: str) -> list[str]:
    """The snapshots that sanoid --take-snapshots --verbose says it takes, or would."""
    return [one.removesuffix(" (zfs recursive)") for one in re.findall(r"^taking (?:dst )?snapshot (.+)$", text, re.M)]


def parse_pruned(text: str) -> list[str]:
    """The snapshots that sanoid --prune-snapshots --verbose says it prunes, or would."""
    return re.findall(r"^INFO: pruning (.+@.+?) \.\.\. ?$", text, re.M)


def write_prune_drop_in(command: Sequence[str]) -> str:
    """For sanoid-prune.service: `command` sets the holds before each pruning; where it fails, nothing is pruned."""
    words = " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"' for word in command)
    return f"# Written by fonoteca: holds are set before sanoid prunes.\n[Service]\nExecStartPre={words}\n"


def _written_out(policy: Policy, policies: Sequence[Policy], datasets: Sequence[str], takes: bool) -> list[Section]:
    """A section for each dataset that the policy holds for."""
    below = [name for name in datasets if name != policy.dataset and policy_for(name, policies) is policy]
    return [Section(msgspec.structs.replace(policy, dataset=name), takes, "") for name in [policy.dataset, *sorted(below)]]


def _can_be_atomic(policy: Policy, policies: Sequence[Policy]) -> bool:
    """Whether what is taken for the parent has all kinds that the policies below it want."""
    below = [one for one in policies if one is not policy and lies_in(one.dataset, policy.dataset)]
    return all(policy.kept(kind) or not one.kept(kind) for one in below for kind in KINDS)


def _template(section: Section) -> str:
    counts = "".join(
        f"\t{kind} = {section.policy.kept(kind)}\n" for kind in ("frequently", "hourly", "daily", "weekly", "monthly", "yearly")
    )
    takes = "yes" if section.takes else "no"
    return f"[template_{section.template}]\n\tautosnap = {takes}\n\tautoprune = yes\n{counts}"
