"""The words by which titles say that they are another version, and what a difference in them weighs."""

from __future__ import annotations

import re


def _any_of(words: str) -> re.Pattern[str]:
    """A pattern of several phrases, to be searched in folded text with a space on both sides."""
    return re.compile(f" (?:{'|'.join(phrase.strip() for phrase in words.split(','))})(?= )")


VERSION_WORDS = {
    "live": _any_of(
        r"live,en vivo,ao vivo,en directo,en concert,dal vivo,in concert,unplugged,sessions?,concert,концерт\w*,konzert,ライブ,现场,現場"
    ),
    "remix": _any_of(r"\w*remix(?:es|ed)?,\w*rmx,rework(?:ed)?,bootleg,mash ?up,dub,vip,flip,refix,club,リミックス"),
    "instrumental": _any_of(r"instrumental\w*,karaoke,backing track,inst,off vocal,minus one,カラオケ,伴奏"),
    "vocals only": _any_of(r"a ?c?cap+el+a,vocals only"),
    "acoustic": _any_of(r"acoustic\w*,acustic\w*,akustik\w*,acoustique,piano,strings,stripped,orchestral,symphonic"),
    "demo": _any_of(r"demo\w*,outtake,alternate,alternative,rehearsal,rough mix,work in progress,take \d+"),
    "cover": _any_of(r"cover,tribute\w*,in the style of .*,originally performed .*,made famous .*,as made .*"),
    "speed": _any_of(r"sped up,speed up,slowed.*,nightcore,\d+ ?bpm,8d\w*"),
    "reprise": _any_of(r"reprise"),
    "medley": _any_of(r"medley,megamix"),
    "new recording": _any_of(r"re ?recorded,re ?recording,new recording"),
    "clean": _any_of(r"clean,censored"),
    "edit": _any_of(r"edit,radio,single version,short version"),
    "extended": _any_of(r"extended,long version,12 inch,full length,maxi"),
    "remaster": _any_of(r"re ?master\w*,remasteri\w*,digital\w* master\w*"),
    "sound": _any_of(r"mono,stereo,hd,hq,dolby.*,atmos,quadraphonic"),
    "release": _any_of(r"bonus.*,deluxe.*,explicit,album,official.*,lyrics?,audio,video,(?<=^ )from .*,.*soundtrack.*,theme from .*"),
    "version": _any_of(r"version,versión,versao,version\w+,fassung,ver,mix,バージョン"),
}
"""Kinds in folded words; matched against the words in brackets and behind dashes only ("Long Live" is no live recording)."""

PLAIN_VERSION = re.compile(r" (?:original|album|lp|main|full|standard|studio) (?:mix|version|recording|edit)(?= )")
"""What says that it is no version of its own."""

CONTRADICTING = ("live", "remix", "instrumental", "vocals only", "acoustic", "demo", "cover", "speed", "reprise", "medley", "new recording")
"""Kinds that are another recording: one title says so, the other does not."""

WEIGHTS = {"version": -6.0, "clean": -6.0, "edit": -3.0, "extended": -6.0, "remaster": -1.0, "sound": -1.0, "release": 0.0}
"""Bits for a kind that only one title names, where that alone does not contradict."""

OTHER_DETAILS_CONTRADICT = ("remix", "version")
"""Kinds of which two with no word in common are two recordings."""

_NEUTRAL = "the,a,an,in,at,from,of,on,and,with,by,to,for,new,edit,track,recording"
NEUTRAL_WORDS = frozenset(_NEUTRAL.split(","))
"""Words that do not tell one version of a kind from another."""
