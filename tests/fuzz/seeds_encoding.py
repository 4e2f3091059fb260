"""What seeds are made of: frames, sections and records, as bytes."""

import struct

HELLO, METHOD, REQUEST, MESSAGE, RESPONSE, CANCEL, CREDIT, PING, GO_AWAY, PIECE = range(1, 11)
SECTIONS, HAS_MESSAGE, END, ACK, ATTACHMENT, NEVER_BEGUN = 1, 2, 4, 8, 16, 128
SETTLE, WIDE, FILLED, RAW, NEXT_CONNECTION = 0x10, 0x20, 0x40, 0x80, 15
TAKES_ATTACHMENTS, TAKES_DESCRIPTORS = 1, 4
UNARY, REQUESTS, REPLIES, BOTH, PLAIN = range(5)
# The kinds of sent_fds.h.
(PIPE_OUT, PIPE_IN, SOCKET, OTHER_SOCKET, MEMORY, UNSEALED_MEMORY, FOLDER, DEVICE, EVENT,
 PATH) = range(10)
SAYS_NOTHING = 255


def header(kind, length=0, flags=0, method=0, call=0, rest=0, aux=0):
    return struct.pack("<IBBHIIQ", length, kind, flags, method, call, rest, aux)


def hello(magic=b"nigh", low=2, high=2, window=1000, features=None, descriptors=0,
          max_message=1 << 20, max_metadata=8192, max_calls=16, attachment=0):
    if features is None:
        features = ((TAKES_DESCRIPTORS if descriptors else 0) |
                    (TAKES_ATTACHMENTS if attachment else 0))
    return magic + struct.pack("<HHIQIIIQI", low, high, window, max_message, max_metadata,
                               max_calls, features, attachment, descriptors)


def section(kind, key, value):
    return struct.pack("<BBHI", kind, 0, len(key), len(value)) + key + value


def block(*sections):
    body = b"".join(sections)
    return struct.pack("<I", len(body)) + body


def frame(kind, payload=b"", flags=0, method=0, call=0, rest=0, aux=0, settle=False):
    """A record of frame_script.h."""
    what = kind | (SETTLE if settle else 0)
    if max(method, call, rest, aux) < 256:
        fields = struct.pack("<BBBBB", flags, method, call, rest, aux)
    else:
        what |= WIDE
        fields = struct.pack("<BHIIQ", flags, method, call, rest, aux)
    return struct.pack("<B", what) + fields + struct.pack("<B", len(payload)) + payload


def filled(kind, length, byte, **fields):
    record = bytearray(frame(kind, b"", **fields))
    record[0] |= FILLED
    return bytes(record[:-1]) + struct.pack("<HB", length, byte)


def raw(payload):
    return struct.pack("<BB", RAW, len(payload)) + payload


def fds(count=0, first=0):
    """A SentFds."""
    return bytes([count, first] if count else [0])


def with_fds(record, count, first=PIPE_OUT, says=None):
    return bytes([0xc0]) + fds(count, first) + bytes([count if says is None else says]) + record


def tree(name=b"", number=0, file=0):
    encoded = b"\x0a" + bytes([len(name)]) + name if name else b""
    if number < 0:
        encoded += b"\x10" + bytes([(number & 0x7f) | 0x80]) + b"\xff" * 8 + b"\x01"
    elif number:
        encoded += b"\x10" + (bytes([number]) if number < 128 else
                              bytes([number & 0x7f | 0x80, number >> 7]))
    return encoded + (b"\x22\x02\x08" + bytes([file]) if file else b"")


ONE = HAS_MESSAGE | END
METADATA = block(section(1, b"key", b"value"), section(1, b"key-bin", b"\x00\xff"))
DESCRIPTORS = section(7, b"", struct.pack("<I", 3))


def attachment(size):
    return section(5, b"", struct.pack("<I", size))


STATUS = block(section(1, b"first", b"1"), section(2, b"last", b"2"), section(3, b"", b"no \xc3\xa4"),
               section(4, b"type.googleapis.com/x", b"detail"))
