#!/usr/bin/env python3
"""Writes the seeds, the files of corpus/*/ that have words for names: one input for each thing that
a target knows. To be run again when a target's format changes; what the fuzzers have found besides
keeps the names that they gave it."""

import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
HELLO, METHOD, REQUEST, MESSAGE, RESPONSE, CANCEL, CREDIT, PING, GO_AWAY, PIECE = range(1, 11)
SECTIONS, HAS_MESSAGE, END, ACK = 1, 2, 4, 8
SETTLE, WIDE, FILLED, RAW, NEXT_CONNECTION = 0x10, 0x20, 0x40, 0x80, 15
UNARY, REQUESTS, REPLIES, BOTH = range(4)


def header(kind, length=0, flags=0, method=0, call=0, rest=0, aux=0):
    return struct.pack("<IBBHIIQ", length, kind, flags, method, call, rest, aux)


def hello(magic=b"nigh", low=1, high=1, window=1000):
    return magic + struct.pack("<HHIQII", low, high, window, 1 << 20, 8192, 16)


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


def tree(name=b"", number=0):
    encoded = b"\x0a" + bytes([len(name)]) + name if name else b""
    if number < 0:
        encoded += b"\x10" + bytes([(number & 0x7f) | 0x80]) + b"\xff" * 8 + b"\x01"
    elif number:
        encoded += b"\x10" + (bytes([number]) if number < 128 else
                              bytes([number & 0x7f | 0x80, number >> 7]))
    return encoded


ONE = HAS_MESSAGE | END
METADATA = block(section(1, b"key", b"value"), section(1, b"key-bin", b"\x00\xff"))
STATUS = block(section(1, b"first", b"1"), section(2, b"last", b"2"), section(3, b"", b"no \xc3\xa4"),
               section(4, b"type.googleapis.com/x", b"detail"))

FRAME = {
    "hello": struct.pack("<I", 65512) + header(HELLO, 28),
    "request_with_everything":
        struct.pack("<I", 65512) + header(REQUEST, 100, SECTIONS | ONE, 7, 3, 1000, 10**9),
    "piece": struct.pack("<I", 256) + header(PIECE, 256, call=1, rest=44),
    "empty_piece": struct.pack("<I", 256) + header(PIECE, 0, call=1),
    "two_gigabytes": struct.pack("<I", 0xffffffff) + header(REQUEST, 0x7fffffff, ONE, rest=1),
    "ping_with_payload": struct.pack("<I", 256) + header(PING, 1, ACK, aux=1),
    "unknown_kind": struct.pack("<I", 256) + header(11),
    "nothing": b"",
}

HELLOS = {
    "good": hello(),
    "with_later_fields": hello() + b"more",
    "short": hello()[:-1],
    "wrong_magic": hello(b"http"),
    "no_version": hello(low=0),
    "versions_reversed": hello(low=2, high=1),
    "later_versions": hello(low=2, high=9),
    "no_window": hello(window=0),
}

ADDRESSES = {
    "unix": b"unix:/run/greeter.sock",
    "abstract": b"unix-abstract:a b",
    "shm": b"shm:greeter?memory=posix&ring=1MiB",
    "shm_kib": b"shm:/run/x?ring=128KiB&memory=sysv",
    "shm_wrong": b"shm:x?ring=3MiB",
    "too_long_for_unix": b"unix:" + b"x" * 108,
    "tcp": b"tcp://127.0.0.1:5000",
    "tcp_ipv6": b"tcp://[::1]:0",
    "tcp_without_port": b"tcp://host",
    "tcp_without_bracket": b"tcp://[::1:0",
    "tcp_with_bracket_too_many": b"tcp://[[a]:1",
    "inproc": b"inproc:name",
    "parameters": b"shm:greeter?ring=1MiB&doorbell=futex&&ring=a=b",
    "parameter_without_value": b"shm:x?ring=",
    "escapes": b"unix:\xff\n\"?\x01=\x02",
    "no_scheme": b":x",
}

ASSEMBLER = {
    "two_calls_in_turns":
        struct.pack("<BBBH", 0, 0, 200, 300) + struct.pack("<BBBH", 0, 1, 1, 1) +
        struct.pack("<BBBH", 1, 0, 200, 0) + struct.pack("<BBBH", 1, 1, 1, 0) +
        struct.pack("<BBBH", 1, 0, 100, 0),
    "abandoned": struct.pack("<BBBH", 0, 2, 5, 5) + b"\x07\x02" + struct.pack("<BBBH", 1, 2, 5, 0),
    "begun_twice": struct.pack("<BBBH", 0, 0, 5, 5) * 2,
    "message_amid_message": struct.pack("<BBBH", 0, 0, 5, 5) + struct.pack("<BBBH", 0, 0, 5, 0),
    "response_amid_message": struct.pack("<BBBH", 0, 0, 5, 5) + struct.pack("<BBBH", 0xc0, 0, 5, 5) +
                             struct.pack("<BBBH", 1, 0, 9, 0),
    "request_amid_request": struct.pack("<BBBH", 0x80, 0, 5, 5) + struct.pack("<BBBH", 0x80, 0, 5, 0),
    "piece_too_long": struct.pack("<BBBH", 0, 0, 5, 5) + struct.pack("<BBBH", 5, 0, 6, 0),
    "piece_of_nothing": struct.pack("<BBBH", 5, 0, 6, 0),
}


def sections_input(payload, limit=255, code=0, flags=SECTIONS):
    return struct.pack("<BBQ", flags, limit, code) + payload


SECTION_BLOCKS = {
    "metadata": sections_input(METADATA + b"message"),
    "status": sections_input(STATUS + b"message", code=5),
    "status_over_the_limit": sections_input(STATUS, limit=7, code=5),
    "unknown_code": sections_input(STATUS, code=1 << 40),
    "none": sections_input(b"message", flags=0),
    "empty_block": sections_input(block()),
    "block_beyond_payload": sections_input(b"\xff\xff\xff\xff"),
    "section_beyond_block": sections_input(block(b"\x01\x00\x01\x00\xff\xff\xff\xffk")),
    "cut_header": sections_input(block(b"\x01\x00\x01")),
    "reserved_key": sections_input(block(section(1, b"grpc-status", b"0"))),
    "text_that_is_binary": sections_input(block(section(1, b"key", b"\x00"))),
    "unknown_type": sections_input(block(section(9, b"key", b"value"))),
}


def feed(payload):
    return struct.pack("<BB", 0, len(payload)) + payload


RECEIVE, FLUSH, CLOSE, HANG_UP, RESET = b"\x02", b"\x05", b"\x09\x00", b"\x09\x01", b"\x09\x02"


def long_frame(length):
    return struct.pack("<BH", 1, length)


def send(claim, length, call):
    return struct.pack("<BHHB", 4, claim, length, call)


def room(count):
    return struct.pack("<BH", 6, count)


def slices(size):
    return struct.pack("<BH", 7, size - 1)


STREAM = {
    "two_frames_in_one_read": feed(header(PING) + header(MESSAGE, 3) + b"abc") + RECEIVE * 3,
    "byte_by_byte": slices(1) + feed(header(MESSAGE, 2) + b"ab") + RECEIVE * 30,
    "largest_frames": long_frame(65512) * 3 + slices(60000) + RECEIVE * 12,
    "frame_too_long": feed(header(PING)) + long_frame(65513) + RECEIVE * 3,
    "stranger": feed(b"GET / HTTP/1.1\r\n\r\n") + RECEIVE * 2,
    "end_amid_a_frame": feed(header(MESSAGE, 9) + b"ab") + RECEIVE + HANG_UP + RECEIVE * 2,
    "reset": feed(header(PING)) + RESET + RECEIVE * 3 + send(1, 1, 1) + FLUSH,
    "closed_here": feed(header(PING)) + CLOSE + RECEIVE * 2 + send(1, 1, 1) + room(99) + FLUSH,
    "written_in_parts":
        send(65512, 65512, 1) + room(10) + FLUSH + send(60000, 5, 2) + send(9000, 9000, 3) +
        room(65535) + FLUSH + b"\x08\x01" + room(65535) + FLUSH + send(0, 0, 4) + FLUSH,
}

GOOD, SMALL, HANG, HALF, STAY, DEAF = 1, 2, 0, 4, 8, 12


def server_input(*records, settings=GOOD | HALF):
    return bytes([settings]) + b"".join(records)


def request(method, payload=b"", flags=ONE, **fields):
    return frame(REQUEST, payload, flags, method, **fields)


SERVER = {
    "unary": server_input(request(UNARY, tree(b"a", 3), settle=True)),
    "unary_with_metadata": server_input(request(UNARY, METADATA + tree(b"a"), SECTIONS | ONE)),
    "unary_that_fails": server_input(request(UNARY, tree(number=-5), aux=10**9)),
    "large_reply": server_input(request(UNARY, tree(number=16383)), request(UNARY, b"\x10\xc0\x9a\x0c", call=1)),
    "requests": server_input(request(REQUESTS, b"", 0, call=1),
                             frame(MESSAGE, tree(b"x"), HAS_MESSAGE, call=1),
                             frame(MESSAGE, tree(b"y"), ONE, call=1, settle=True)),
    "replies": server_input(request(REPLIES, tree(b"x" * 50, 100)), frame(CREDIT, aux=1 << 20)),
    "both": server_input(request(BOTH, tree(b"x"), HAS_MESSAGE, call=2, settle=True),
                         frame(MESSAGE, tree(number=-3), HAS_MESSAGE, call=2, settle=True),
                         frame(MESSAGE, b"", END, call=2)),
    "both_cancelled": server_input(request(BOTH, b"", 0), frame(CANCEL, settle=True),
                                   request(BOTH, b"", 0), frame(CANCEL), settings=GOOD | STAY),
    "deadline": server_input(request(BOTH, b"", 0, aux=1, settle=True), settings=GOOD | STAY),
    "open_at_shutdown": server_input(request(BOTH, b"", 0), request(REQUESTS, b"", 0, call=1),
                                     settings=GOOD | STAY),
    "gone_amid_calls": server_input(request(BOTH, b"", 0), request(REPLIES, tree(b"x", 100), call=1),
                                    settings=GOOD | HANG),
    "never_reads": server_input(*[request(UNARY, b"\x10\xc0\x9a\x0c", call=i) for i in range(6)],
                                settings=GOOD | DEAF),
    "pieces": server_input(request(UNARY, b"\x0a\x04", rest=4), frame(PING), frame(PIECE, b"ab", rest=2),
                           frame(PIECE, b"cd", settle=True)),
    "pieces_cancelled": server_input(request(UNARY, b"\x0a\x04", rest=4), frame(CANCEL),
                                     frame(PIECE, b"ab", rest=2)),
    "pieces_of_a_stream": server_input(request(REQUESTS, b"", 0),
                                       frame(MESSAGE, b"\x0a\x04ab", HAS_MESSAGE, rest=2),
                                       frame(PIECE, b"cd"), frame(MESSAGE, b"", END)),
    "too_large": server_input(filled(REQUEST, 100, 0x61, flags=ONE),
                              filled(REQUEST, 50, 0x61, flags=ONE, rest=50, call=1),
                              settings=GOOD | SMALL | HALF),
    "too_many_calls": server_input(*[request(BOTH, b"", 0, call=i) for i in range(4)],
                                   settings=GOOD | SMALL | STAY),
    "too_much_metadata": server_input(
        request(UNARY, block(section(1, b"key", b"v" * 40)), SECTIONS | ONE),
        settings=GOOD | SMALL | HALF),
    "no_credit": server_input(request(BOTH, b"", 0),
                              *[frame(MESSAGE, tree(b"x" * 60), HAS_MESSAGE) for _ in range(5)],
                              settings=GOOD | SMALL | HALF),
    "message_after_end": server_input(request(REQUESTS, b"", END), frame(MESSAGE, b"", HAS_MESSAGE)),
    "metadata_after_request": server_input(request(BOTH, b"", 0), frame(MESSAGE, METADATA, SECTIONS)),
    "no_tree": server_input(request(UNARY, b"\xff\xff"), request(BOTH, b"\xff\xff", HAS_MESSAGE, call=1)),
    "unknown_method": server_input(frame(METHOD, b"/nigh.testing.Fuzzed/Nothing", method=9),
                                   request(9)),
    "undeclared_method": server_input(request(9)),
    "declared_twice": server_input(frame(METHOD, b"/x/Y", method=0)),
    "method_beyond_limit": server_input(frame(METHOD, b"/x/Y", method=4096)),
    "id_in_use": server_input(request(BOTH, b"", 0, settle=True), request(UNARY)),
    "too_much_credit": server_input(request(BOTH, b"", 0, settle=True), frame(CREDIT, aux=1 << 41)),
    "response_from_client": server_input(frame(RESPONSE)),
    "go_away": server_input(frame(GO_AWAY, b"bye"), request(UNARY)),
    "ping": server_input(frame(PING, aux=7, settle=True), frame(PING, flags=ACK)),
    "request_before_hello": server_input(request(UNARY), settings=HALF),
    "hello_by_hand": server_input(frame(HELLO, hello()), frame(METHOD, b"/nigh.testing.Fuzzed/Unary"),
                                  request(UNARY, settle=True), settings=STAY),
    "hello_twice": server_input(frame(HELLO, hello())),
    "later_version": server_input(frame(HELLO, hello(low=2, high=3)), settings=STAY),
    "tiny_limits_of_client": server_input(
        frame(HELLO, b"nigh" + struct.pack("<HHIQII", 1, 1, 1, 1, 0, 0)),
        frame(METHOD, b"/nigh.testing.Fuzzed/Unary"), frame(METHOD, b"/nigh.testing.Fuzzed/Replies", method=1),
        request(UNARY, tree(b"a", 9)), request(REPLIES - 1, tree(b"a", 9), call=1), settings=STAY),
    "stranger": server_input(raw(b"GET / HTTP/1.1\r\n\r\n"), settings=HALF),
    "half_a_frame": server_input(raw(header(REQUEST, 9) + b"abc")),
    "nothing": b"",
}


def client_input(steps, *records, settings=GOOD):
    return struct.pack("<BB", settings, len(steps)) + bytes(steps) + b"".join(records)


(CALL, CALL_TIMED, OPEN_READER, OPEN_WRITER, OPEN_STREAM, READ, WRITE, STREAM_WRITE, STREAM_READ,
 STREAM_INITIAL, STREAM_CANCEL, FINISH_READER, FINISH_WRITER, FINISH_STREAM, DROP, STREAM_DONE) = range(16)
OK_REPLY = frame(RESPONSE, tree(b"r", 1), HAS_MESSAGE)

CLIENT = {
    "unary": client_input([CALL], OK_REPLY),
    "unary_with_everything": client_input([CALL], frame(RESPONSE, STATUS, SECTIONS, aux=5)),
    "unary_again": client_input([CALL, CALL], OK_REPLY, OK_REPLY),
    "unary_timed_out": client_input([CALL_TIMED | 0x10]),
    "large_request": client_input([CALL | 0xf0], OK_REPLY),
    "no_reply": client_input([CALL], frame(RESPONSE)),
    "reply_in_pieces": client_input([CALL], frame(RESPONSE, b"\x0a\x04", HAS_MESSAGE, rest=4),
                                    frame(PING), frame(PIECE, b"ab", rest=2), frame(PIECE, b"cd")),
    "two_replies": client_input([CALL], frame(MESSAGE, tree(b"x"), HAS_MESSAGE), OK_REPLY),
    "no_tree": client_input([CALL], frame(RESPONSE, b"\xff\xff", HAS_MESSAGE)),
    "unknown_code": client_input([CALL], frame(RESPONSE, aux=77)),
    "replies": client_input([OPEN_READER, READ, READ, FINISH_READER],
                            frame(MESSAGE, METADATA + tree(b"x"), SECTIONS | HAS_MESSAGE),
                            frame(MESSAGE, tree(b"y"), HAS_MESSAGE), frame(RESPONSE)),
    "requests": client_input([OPEN_WRITER, WRITE | 0x10, FINISH_WRITER], frame(CREDIT, aux=9), OK_REPLY),
    "both": client_input([OPEN_STREAM, STREAM_WRITE, STREAM_INITIAL, STREAM_READ, STREAM_DONE, FINISH_STREAM],
                         frame(MESSAGE, METADATA, SECTIONS), frame(MESSAGE, tree(b"x"), HAS_MESSAGE),
                         frame(RESPONSE, STATUS, SECTIONS, aux=13)),
    "cancelled": client_input([OPEN_STREAM, STREAM_CANCEL, STREAM_READ, FINISH_STREAM, CALL],
                              frame(RESPONSE, aux=1), frame(RESPONSE, tree(b"r"), HAS_MESSAGE, call=1)),
    "dropped": client_input([OPEN_READER, OPEN_WRITER, OPEN_STREAM, DROP, CALL],
                            *[frame(RESPONSE, tree(b"r"), HAS_MESSAGE, call=i) for i in range(4)]),
    "writes_without_credit": client_input([OPEN_STREAM] + [STREAM_WRITE | 0xf0] * 3,
                                          frame(CREDIT, aux=1 << 20)),
    "response_amid_pieces": client_input(
        [OPEN_READER, READ, FINISH_READER, OPEN_READER, READ, READ, FINISH_READER],
        frame(MESSAGE, b"\x0a\x04", HAS_MESSAGE, rest=4), frame(RESPONSE, aux=8),
        frame(MESSAGE, b"\x0a\x02", HAS_MESSAGE, rest=2), frame(PIECE, b"ab"), frame(RESPONSE)),
    "message_too_large": client_input([CALL, OPEN_READER, READ],
                                      filled(RESPONSE, 100, 0x61, flags=HAS_MESSAGE),
                                      filled(MESSAGE, 60, 0x61, flags=HAS_MESSAGE, rest=60),
                                      settings=GOOD | SMALL),
    "too_much_said": client_input([CALL], frame(RESPONSE, STATUS, SECTIONS, aux=5), settings=GOOD | SMALL),
    "no_credit": client_input([OPEN_READER] + [READ] * 5,
                              *[frame(MESSAGE, tree(b"x" * 60), HAS_MESSAGE) for _ in range(5)],
                              settings=GOOD | SMALL),
    "go_away_then_another": client_input([OPEN_STREAM, STREAM_READ, CALL], frame(GO_AWAY, b"bye"),
                                         frame(MESSAGE, tree(b"x"), HAS_MESSAGE), frame(RESPONSE),
                                         frame(NEXT_CONNECTION), OK_REPLY),
    "refused": client_input([CALL], frame(GO_AWAY, b"too old"), settings=0),
    "lost_and_found": client_input([CALL, CALL], frame(NEXT_CONNECTION), OK_REPLY),
    "other_calls": client_input([CALL], frame(RESPONSE, call=9), frame(MESSAGE, call=200), frame(PIECE, b"x", call=3), OK_REPLY),
    "request_from_server": client_input([CALL], frame(REQUEST)),
    "too_much_credit": client_input([OPEN_STREAM, STREAM_READ], frame(CREDIT, aux=1 << 41)),
    "hello_by_hand": client_input([CALL], frame(HELLO, hello()), OK_REPLY, settings=0),
    "server_that_takes_nothing": client_input(
        [CALL, OPEN_STREAM], frame(HELLO, b"nigh" + struct.pack("<HHIQII", 1, 1, 1, 0, 0, 0)), settings=0),
    "later_version": client_input([CALL], frame(HELLO, hello(low=2, high=3)), settings=0),
    "stranger": client_input([CALL], raw(b"SSH-2.0-OpenSSH_9.2\r\n"), settings=0),
    "nothing": b"",
}



def offer(descriptors, magic=b"nigh shm", version=1, memory=1, bells=0, ring=128 << 10, rest=bytes(12)):
    """What offer.cc takes: which descriptors, then the message."""
    return (bytes([len(descriptors), *descriptors]) + magic +
            struct.pack("<HBBIi", version, memory, bells, ring, -1) + rest)


SEALED, UNSEALED, SMALL_MEMORY, BELL, NO_MEMORY = range(5)
OFFERS = {
    "good": offer([SEALED]),
    "with_bells": offer([SEALED, BELL, BELL], bells=1),
    "bells_that_are_none": offer([SEALED, NO_MEMORY, UNSEALED], bells=1),
    "futex": offer([SEALED], bells=2),
    "posix_sem": offer([SEALED, SMALL_MEMORY], bells=3),
    "sysv_sem": offer([SEALED], bells=4, rest=struct.pack("<3I", 7, 0, 0)),
    "signal": offer([SEALED], bells=5, rest=struct.pack("<3I", 1, 2, 3)),
    "bell_of_no_kind": offer([SEALED], bells=6),
    "words_without_a_bell": offer([SEALED], rest=struct.pack("<3I", 0, 0, 1)),
    "posix": offer([UNSEALED], memory=2),
    "sysv": offer([], memory=3),
    "unsealed": offer([UNSEALED]),
    "small": offer([SMALL_MEMORY]),
    "no_memory": offer([NO_MEMORY]),
    "no_descriptor": offer([]),
    "five_descriptors": offer([SEALED] * 5),
    "larger": offer([SEALED], ring=256 << 10),
    "odd_size": offer([SEALED], ring=(128 << 10) + 1),
    "later_version": offer([SEALED], version=2),
    "truncated": offer([SEALED])[:20],
    "too_long": offer([SEALED], rest=bytes(13)),
    "rest": offer([SEALED], rest=b"x" * 12),
    "stranger": b"\0GET / HTTP/1.1\r\n\r\n",
    "nothing": b"",
}

COMMIT, PUBLISH, RECEIVE, ARM, TAIL, HEAD, DATA, MARKS = range(8)
HONEST, LYING_WRITER, LYING_READER = range(3)


def commit(size, fill=0x61):
    return struct.pack("<BHB", COMMIT, size, fill)


def ring_input(liars, *steps):
    return bytes([liars]) + b"".join(bytes([step]) if isinstance(step, int) else step for step in steps)


def forged(what, value):
    return struct.pack("<BQ", what, value)


def data(at, content):
    return struct.pack("<BHBB", DATA, at & 0xffff, at >> 16, len(content)) + content


RINGS = {
    "one": ring_input(HONEST, commit(5), PUBLISH, RECEIVE, RECEIVE),
    "around": ring_input(HONEST, *[commit(30000), PUBLISH, RECEIVE] * 9),
    "full": ring_input(HONEST, *[commit(30000)] * 5, PUBLISH, b"\x03\x01", *[RECEIVE] * 5, commit(9)),
    "parked": ring_input(HONEST, b"\x03\x00", commit(1), PUBLISH, b"\x03\x00", RECEIVE),
    "tail_beyond": ring_input(LYING_WRITER, forged(TAIL, 1 << 40), RECEIVE),
    "tail_unaligned": ring_input(LYING_WRITER, forged(TAIL, 65), RECEIVE),
    "tail_backwards": ring_input(LYING_WRITER, commit(99), PUBLISH, RECEIVE, forged(TAIL, 64), RECEIVE),
    "long_frame": ring_input(LYING_WRITER, data(0, header(MESSAGE, 40000)), forged(TAIL, 65536), RECEIVE),
    "frame_beyond": ring_input(LYING_WRITER, data(0, header(MESSAGE, 100)), forged(TAIL, 64), RECEIVE),
    "skip": ring_input(LYING_WRITER, forged(TAIL, 128 << 10), RECEIVE),
    "head_beyond": ring_input(LYING_READER, *[commit(30000)] * 5, PUBLISH, forged(HEAD, 1 << 40),
                              commit(9), PUBLISH, b"\x03\x01"),
    "head_unaligned": ring_input(LYING_READER, *[commit(30000)] * 4, PUBLISH, commit(30000),
                                 forged(HEAD, 65), b"\x03\x01"),
    "marks": ring_input(LYING_READER, forged(MARKS, 0), commit(1), PUBLISH, forged(MARKS, 64), commit(1), PUBLISH),
    "nothing": b"",
}

for name, seeds in [("address", ADDRESSES), ("assembler", ASSEMBLER), ("client", CLIENT),
                    ("frame", FRAME), ("hello", HELLOS), ("offer", OFFERS),
                    ("ring", RINGS), ("sections", SECTION_BLOCKS),
                    ("server", SERVER), ("stream", STREAM)]:
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for seed, content in seeds.items():
        (folder / seed).write_bytes(content)
