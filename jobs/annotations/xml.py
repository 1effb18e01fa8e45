"""XML read piece by piece with constant memory; entities, the stuff of XML bombs, are refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element
from xml.sax import SAXException
from xml.sax.handler import ContentHandler

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from jobs.errors import BadInput
from schemas.reasons import Reason

CHUNK = 1 << 16
DEEPEST = 100
"""Elements within elements; the formats here need six."""
_ENDED_EARLY = (3, 5)
"""expat: no element found, unclosed token; both say that the text ended too early."""


class _Builder(ContentHandler):
    """Builds elements; the wanted ones are handed out when they end, and are no part of the tree then."""

    def __init__(self, wanted: Collection[str]) -> None:
        super().__init__()
        self.wanted = wanted
        self.open: list[Element] = []
        self.said: list[list[str]] = []
        """The pieces of text of each open element."""
        self.done: list[Element] = []
        self.root: Element | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        element = Element(name, attributes)
        if self.root is None:
            self.root = element
        if len(self.open) > DEEPEST:
            raise BadInput(Reason.UNREADABLE)
        self.open.append(element)
        self.said.append([])

    def characters(self, content: str) -> None:
        # Between elements there is much white space, which says nothing.
        if self.said[-1] or not content.isspace():
            self.said[-1].append(content)

    def end(self, name: str) -> None:
        element = self.open.pop()
        element.text = "".join(self.said.pop()) or None
        if name in self.wanted:
            self.done.append(element)
        elif self.open:
            self.open[-1].append(element)


class _Parser(DefusedExpatParser):
    """Hands expat's calls to the builder itself: SAX's objects for attributes would double the time."""

    _parser: Any

    def __init__(self, builder: _Builder) -> None:
        super().__init__()
        self._builder = builder
        self.setContentHandler(builder)

    def reset(self) -> None:
        super().reset()
        self._parser.StartElementHandler = self._builder.start
        self._parser.EndElementHandler = self._builder.end


class XmlFile:
    """An XML file: the tag of its root, its wanted elements one by one, then the rest of it as `root`."""

    def __init__(self, stream: BinaryIO, wanted: Collection[str]) -> None:
        self._stream = stream
        self._builder = _Builder(wanted)
        self._parser = _Parser(self._builder)
        self._fed = True

    @property
    def root(self) -> Element:
        """The tree without the wanted elements; whole when these were read.

        Raises:
            BadInput: not well-formed before the first tag.
        """
        while self._builder.root is None and self._fed:
            self._feed()
        if self._builder.root is None:
            raise BadInput(Reason.UNREADABLE)
        return self._builder.root

    def elements(self) -> Iterator[Element]:
        """Each wanted element with all that it holds.

        Raises:
            BadInput: not well-formed, cut off, too deep, or with entities.
        """
        while self._fed or self._builder.done:
            yield from self._builder.done
            self._builder.done.clear()
            if self._fed:
                self._feed()

    def _feed(self) -> None:
        chunk = self._stream.read(CHUNK)
        self._fed = bool(chunk)
        try:
            self._parser.feed(chunk) if chunk else self._parser.close()
        except SAXException as error:
            code = getattr(error.getException(), "code", 0)
            raise BadInput(Reason.TRUNCATED if code in _ENDED_EARLY else Reason.UNREADABLE) from None
        except (DefusedXmlException, ValueError, LookupError):
            raise BadInput(Reason.UNREADABLE) from None
