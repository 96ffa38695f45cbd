"""What the session cookie contains."""

from __future__ import annotations

import pytest
from flask.json.tag import TaggedJSONSerializer

from portal.web.cookies import PlainJson


def test_sessions_are_plain_json() -> None:
    kept = {"csrf_token": "a.b", "_flashes": [["success", {"text": "Saved"}]], "arrival": True}
    assert PlainJson().dumps(kept) == '{"csrf_token":"a.b","_flashes":[["success",{"text":"Saved"}]],"arrival":true}'
    assert PlainJson().loads(PlainJson().dumps(kept)) == kept
    with pytest.raises(TypeError):
        PlainJson().dumps({"challenge": b"bytes"})  # nothing is lost silently


def test_a_cookie_of_an_earlier_version_is_read() -> None:
    former = TaggedJSONSerializer().dumps({"_flashes": [("success", "Saved")], "challenge": b"bytes"})
    assert PlainJson().loads(former) == {"_flashes": [("success", "Saved")], "challenge": b"bytes"}
