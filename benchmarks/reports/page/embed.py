"""What goes into a page beside its text: JSON inside a script element, and the hashes that allow our own scripts."""

import base64
import hashlib
import json
import math
from typing import Any

from markupsafe import Markup

# `</script>`, `<!--` and `<script` would end a script element, or hide its end; in a JSON string all of these are text.
_ESCAPES = {'<': '\\u003c', '>': '\\u003e', '&': '\\u0026', '\u2028': '\\u2028', '\u2029': '\\u2029'}


def json_for_script(value: Any) -> Markup:
    """A value as JSON that a script element can hold, whatever its texts are.

    Args:
        value: Plain JSON values and numbers of numpy; NaN and infinity become null.

    Example:
        >>> str(json_for_script({'name': '</script>'}))
        '{"name":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(_plain(value), allow_nan=False, ensure_ascii=False, separators=(',', ':'))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)


def content_hash(text: str) -> str:
    """The source expression of a content security policy that allows this one inline script or style."""
    digest = hashlib.sha256(text.encode('utf-8')).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _plain(value: Any) -> Any:
    """The value with Python's own types; numbers are rounded to six digits, as many as a figure shows."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, bool)):
        return value
    number = value.item() if hasattr(value, 'item') else value
    if isinstance(number, float):
        return float(f'{number:.6g}') if math.isfinite(number) else None
    return number
