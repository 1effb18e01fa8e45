"""Text in the character sets of DICOM (PS3.3 section C.12.1.1.2, PS3.5 section 6.1)."""

from __future__ import annotations

_ESCAPE = b"\x1b"
_CODECS = {
    "": "latin_1", "ISO_IR 6": "latin_1", "ISO_IR 13": "shift_jis", "ISO_IR 100": "latin_1", "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3", "ISO_IR 110": "iso8859_4", "ISO_IR 126": "iso8859_7", "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8", "ISO_IR 144": "iso8859_5", "ISO_IR 148": "iso8859_9", "ISO_IR 166": "iso8859_11",
    "ISO_IR 192": "utf_8", "ISO_IR 203": "iso8859_15", "GB18030": "gb18030", "GBK": "gbk",
}  # fmt: skip
"""Python's names of the character sets without code extensions."""


def decode(value: bytes, charset: bytes) -> str:
    """Text of a value.

    Args:
        value: as it is encoded, with its padding.
        charset: the value of Specific Character Set (0008,0005).

    Raises:
        UnicodeError, LookupError: the bytes are none of the character sets.
    """
    extended = _ESCAPE in value
    if value.isascii() and not extended:
        return value.decode("ascii")
    charsets = [name.strip("\0 ") for name in charset.decode("latin-1").split("\\")]
    if len(charsets) == 1 and charsets[0] in _CODECS and not extended:
        return value.decode(_CODECS[charsets[0]])
    # Late, as code extensions are rare and pydicom takes long to load.
    from pydicom.charset import convert_encodings, decode_bytes
    from pydicom.valuerep import TEXT_VR_DELIMS

    text: str = decode_bytes(value, convert_encodings(charsets), TEXT_VR_DELIMS)
    return text
