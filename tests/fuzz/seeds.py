#!/usr/bin/env python3
"""Writes the seeds, the files of corpus/*/ that have words for names: one input for each thing that
a target knows. To be run again when a target's format changes; what the fuzzers have found besides
keeps the names that they gave it."""

import pathlib
import struct

from seeds_encoding import (ACK, ATTACHMENT, BOTH, CANCEL, CREDIT, DESCRIPTORS, DEVICE, END, EVENT, FOLDER,
                            GO_AWAY, HAS_MESSAGE, HELLO, MEMORY, MESSAGE, METADATA, METHOD,
                            NEVER_BEGUN, NEXT_CONNECTION, ONE, PIECE, PING, PLAIN, REPLIES, REQUEST,
                            REQUESTS, RESPONSE, SAYS_NOTHING, SECTIONS, SOCKET, STATUS,
                            TAKES_ATTACHMENTS, TAKES_DESCRIPTORS, UNARY,
                            attachment, block, filled, frame, header, hello, raw, section, tree, with_fds)
from seeds_media import (ARRIVALS, FIFO_CLIENTS, FIFO_SERVERS, QUEUES, STREAM,
                         STREAMS_WITH_DESCRIPTORS, WORDS)
from seeds_shm import LETTERS, OFFERS, RINGS, SHM

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"

FRAME = {
    "hello": struct.pack("<I", 65512) + header(HELLO, 28),
    "request_with_everything":
        struct.pack("<I", 65512) + header(REQUEST, 100, SECTIONS | ONE, 7, 3, 1000, 10**9),
    "piece": struct.pack("<I", 256) + header(PIECE, 256, call=1, rest=44),
    "empty_piece": struct.pack("<I", 256) + header(PIECE, 0, call=1),
    "two_gigabytes": struct.pack("<I", 0xffffffff) + header(REQUEST, 0x7fffffff, ONE, rest=1),
    "ping_with_payload": struct.pack("<I", 256) + header(PING, 1, ACK, aux=1),
    "response_of_a_call_never_begun":
        struct.pack("<I", 256) + header(RESPONSE, 0, NEVER_BEGUN, call=1, aux=14),
    "request_never_begun": struct.pack("<I", 256) + header(REQUEST, 0, NEVER_BEGUN | ONE, call=1),
    "unknown_kind": struct.pack("<I", 256) + header(12),
    "nothing": b"",
}

HELLOS = {
    "good": hello(),
    "with_later_fields": hello() + b"more",
    "short": hello()[:-1],
    "wrong_magic": hello(b"http"),
    "no_version": hello(low=0),
    "versions_reversed": hello(low=3, high=2),
    "later_versions": hello(low=3, high=9),
    "of_this_and_later_versions": hello(low=1, high=9),
    "takes_descriptors": hello(descriptors=16),
    "takes_descriptors_and_none": hello(features=TAKES_DESCRIPTORS),
    "takes_no_descriptors_and_some": hello(features=0, descriptors=1),
    "takes_most_descriptors": hello(descriptors=253),
    "takes_more_descriptors_than_can_be_sent": hello(descriptors=254),
    "of_the_features_alone": hello()[:-4],
    "takes_attachments": hello(attachment=64 << 20),
    "takes_attachments_and_none": hello(features=TAKES_ATTACHMENTS),
    "takes_no_attachments_and_some": hello(features=0, attachment=5),
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
    "descriptors": sections_input(block(DESCRIPTORS, section(1, b"key", b"value")) + b"message"),
    "descriptors_alone": sections_input(block(DESCRIPTORS)),
    "descriptors_of_a_status": sections_input(block(DESCRIPTORS) + b"message", code=5),
    "descriptors_second": sections_input(block(section(1, b"key", b"value"), DESCRIPTORS)),
    "descriptors_twice": sections_input(block(DESCRIPTORS, DESCRIPTORS)),
    "descriptors_in_a_short_number": sections_input(block(section(7, b"", b"\x03\0\0"))),
    "descriptors_with_a_key": sections_input(block(section(7, b"k", bytes(4)))),
    "attachment": sections_input(
        block(attachment(5), section(1, b"key", b"value")) + b"message" + b"bytes",
        flags=SECTIONS | ATTACHMENT),
    "attachment_and_descriptors": sections_input(
        block(DESCRIPTORS, attachment(5)) + b"messagebytes", flags=SECTIONS | ATTACHMENT),
    "attachment_of_a_status": sections_input(block(attachment(1)) + b"x", code=5,
                                             flags=SECTIONS | ATTACHMENT),
    "attachment_longer_than_there_is": sections_input(block(attachment(9)) + b"message",
                                                      flags=SECTIONS | ATTACHMENT),
    "attachment_without_the_flag": sections_input(block(attachment(5)) + b"message"),
    "attachment_without_a_section": sections_input(METADATA + b"message",
                                                   flags=SECTIONS | ATTACHMENT),
    "attachment_second": sections_input(
        block(section(1, b"key", b"value"), attachment(1)) + b"x", flags=SECTIONS | ATTACHMENT),
    "attachment_twice": sections_input(block(attachment(1), attachment(1)) + b"x",
                                       flags=SECTIONS | ATTACHMENT),
    "unknown_type": sections_input(block(section(9, b"key", b"value"))),
}

GOOD, SMALL, HANG, HALF, STAY, DEAF, NO_FDS = 1, 2, 0, 4, 8, 12, 16


def server_input(*records, settings=GOOD | HALF):
    return bytes([settings]) + b"".join(records)


def request(method, payload=b"", flags=ONE, **fields):
    return frame(REQUEST, payload, flags, method, **fields)


def attached(make, method, message, data, flags=ONE):
    return make(method, block(attachment(len(data))) + message + data,
                SECTIONS | ATTACHMENT | flags)


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
    "later_version": server_input(frame(HELLO, hello(low=3, high=4)), settings=STAY),
    "tiny_limits_of_client": server_input(
        frame(HELLO, hello(window=1, max_message=1, max_metadata=0, max_calls=0)),
        frame(METHOD, b"/nigh.testing.Fuzzed/Unary"), frame(METHOD, b"/nigh.testing.Fuzzed/Replies", method=1),
        request(UNARY, tree(b"a", 9)), request(REPLIES - 1, tree(b"a", 9), call=1), settings=STAY),
    "stranger": server_input(raw(b"GET / HTTP/1.1\r\n\r\n"), settings=HALF),
    "descriptor": server_input(with_fds(request(UNARY, tree(b"a", 2, file=1)), 1)),
    "descriptors_not_taken": server_input(with_fds(request(UNARY, tree(b"a")), 15)),
    "descriptor_of_a_kind_that_is_not_taken":
        server_input(with_fds(request(UNARY, tree(b"a", 3, file=2)), 2, EVENT)),
    "descriptor_that_did_not_come": server_input(with_fds(request(UNARY, tree(file=3)), 2)),
    "descriptors_and_metadata": server_input(
        with_fds(request(UNARY, METADATA + tree(file=1), SECTIONS | ONE), 1, SOCKET)),
    "more_descriptors_than_said": server_input(with_fds(request(UNARY, tree(file=1)), 3, says=2)),
    "fewer_descriptors_than_said": server_input(with_fds(request(UNARY, tree(file=1)), 2, says=3)),
    "descriptors_of_no_frame": server_input(
        with_fds(frame(PING), 1, says=SAYS_NOTHING), with_fds(frame(PING), 2, says=SAYS_NOTHING),
        request(UNARY, settle=True)),
    "descriptors_said_and_none": server_input(request(
        UNARY, block(DESCRIPTORS), SECTIONS | ONE)),
    "descriptors_amid_a_frame": server_input(
        raw(header(REQUEST, 16, SECTIONS | ONE)), with_fds(raw(block(DESCRIPTORS)), 3)),
    "descriptors_with_a_method_that_takes_none":
        server_input(with_fds(request(PLAIN), 2), request(UNARY, call=1, settle=True)),
    "descriptors_with_a_cancel": server_input(request(BOTH, b"", 0), with_fds(frame(CANCEL), 1)),
    "descriptors_before_the_hello": server_input(with_fds(request(UNARY), 1), settings=HALF),
    "descriptors_of_a_stream": server_input(
        with_fds(request(BOTH, tree(file=1), HAS_MESSAGE), 1),
        with_fds(frame(MESSAGE, tree(number=2, file=2), HAS_MESSAGE), 2, MEMORY, ),
        frame(MESSAGE, tree(file=1), HAS_MESSAGE),
        with_fds(frame(MESSAGE, b"", END), 1), settings=GOOD | STAY),
    "descriptors_of_requests": server_input(
        request(REQUESTS, b"", 0), with_fds(frame(MESSAGE, tree(file=1), HAS_MESSAGE), 1, DEVICE),
        with_fds(frame(MESSAGE, tree(file=1), ONE), 1)),
    "descriptor_passed_on_in_replies":
        server_input(with_fds(request(REPLIES, tree(b"x", 4, file=1)), 1, FOLDER)),
    "descriptors_and_pieces": server_input(
        with_fds(request(UNARY, b"\x0a\x02", rest=2), 2), frame(PIECE, b"ab", settle=True)),
    "descriptors_of_a_piece": server_input(
        with_fds(request(UNARY, b"\x0a\x02", rest=2), 2), with_fds(frame(PIECE, b"ab"), 1)),
    "too_many_descriptors": server_input(with_fds(request(UNARY), 3), settings=GOOD | SMALL | STAY),
    "most_descriptors": server_input(with_fds(request(UNARY), 253)),
    "too_many_untaken_descriptors": server_input(
        *[with_fds(request(BOTH, b"", HAS_MESSAGE, call=i), 2) for i in range(2)],
        settings=GOOD | SMALL | STAY),
    "far_too_many_descriptors": server_input(with_fds(request(UNARY), 7), request(UNARY, call=1),
                                             settings=GOOD | SMALL | HALF),
    "descriptors_and_no_message": server_input(with_fds(request(REQUESTS, b"", 0), 2)),
    "descriptors_to_who_takes_none": server_input(with_fds(request(UNARY, tree(file=1)), 1),
                                                  settings=GOOD | HALF | NO_FDS),
    "descriptor_for_a_client_that_takes_none": server_input(
        frame(HELLO, hello()), frame(METHOD, b"/nigh.testing.Fuzzed/Unary"),
        with_fds(request(UNARY, tree(number=2, file=1)), 1), settings=HALF),
    "descriptors_of_who_has_gone": server_input(with_fds(request(BOTH, b"", HAS_MESSAGE), 5),
                                                settings=GOOD | HANG),
    "attachment": server_input(attached(request, UNARY, tree(b"a", 3), b"bytes")),
    "attachments_of_a_stream": server_input(
        attached(request, BOTH, tree(b"a"), b"x" * 50, flags=HAS_MESSAGE),
        frame(MESSAGE, tree(b"b"), HAS_MESSAGE),
        frame(MESSAGE, block(attachment(90)) + tree(b"c") + b"y" * 90,
              SECTIONS | ATTACHMENT | HAS_MESSAGE),
        frame(MESSAGE, b"", END, settle=True)),
    "attachment_in_pieces": server_input(
        request(UNARY, block(attachment(4)) + tree(b"a"), SECTIONS | ATTACHMENT | ONE, rest=4),
        frame(PIECE, b"ab", rest=2), frame(PIECE, b"cd", settle=True)),
    "attachment_that_is_too_long": server_input(
        attached(request, UNARY, b"", b"x" * 101), settings=GOOD | SMALL | HALF),
    "attachment_that_is_too_long_in_pieces": server_input(
        request(UNARY, block(attachment(200)) + b"", SECTIONS | ATTACHMENT | ONE, rest=200),
        frame(PIECE, b"x" * 200), settings=GOOD | SMALL | HALF),
    "attachment_and_descriptor": server_input(with_fds(
        frame(REQUEST, block(section(7, b"", struct.pack("<I", 1)), attachment(3)) +
              tree(number=2, file=1) + b"abc", SECTIONS | ATTACHMENT | ONE, UNARY), 1,
        says=SAYS_NOTHING)),
    "attachment_for_a_client_that_takes_none": server_input(
        frame(HELLO, hello()), frame(METHOD, b"/nigh.testing.Fuzzed/Unary"),
        attached(request, UNARY, b"", b"abc"), settings=HALF),
    "half_a_frame": server_input(raw(header(REQUEST, 9) + b"abc")),
    "nothing": b"",
}


def client_input(steps, *records, settings=GOOD):
    return struct.pack("<BB", settings, len(steps)) + bytes(steps) + b"".join(records)


(CALL, CALL_TIMED, OPEN_READER, OPEN_WRITER, OPEN_STREAM, READ, WRITE, STREAM_WRITE, STREAM_READ,
 STREAM_INITIAL, STREAM_CANCEL, FINISH_READER, FINISH_WRITER, FINISH_STREAM, DROP, STREAM_DONE) = range(16)
CLIENT_NO_FDS = 4
ATTACH, CALL_PLAIN = 0x10, CALL_TIMED | 0xf0
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
        [CALL, OPEN_STREAM], frame(HELLO, hello(window=1, max_message=0, max_metadata=0, max_calls=0)),
        settings=0),
    "later_version": client_input([CALL], frame(HELLO, hello(low=3, high=4)), settings=0),
    "attachment": client_input([CALL], frame(
        RESPONSE, block(attachment(5)) + tree(b"r") + b"bytes",
        SECTIONS | ATTACHMENT | HAS_MESSAGE)),
    "attachments_of_a_stream": client_input(
        [OPEN_STREAM, STREAM_WRITE, STREAM_READ, STREAM_WRITE, STREAM_READ, STREAM_READ,
         FINISH_STREAM],
        *[frame(MESSAGE, block(attachment(50)) + tree(b"r") + b"x" * 50,
                SECTIONS | ATTACHMENT | HAS_MESSAGE)] * 2, OK_REPLY, frame(RESPONSE)),
    "attachment_in_pieces": client_input(
        [CALL], frame(RESPONSE, block(attachment(4)) + tree(b"r"),
                      SECTIONS | ATTACHMENT | HAS_MESSAGE, rest=4),
        frame(PIECE, b"ab", rest=2), frame(PIECE, b"cd")),
    "attachment_that_is_too_long": client_input(
        [CALL], frame(RESPONSE, block(attachment(101)) + b"x" * 101,
                      SECTIONS | ATTACHMENT | HAS_MESSAGE), settings=GOOD | SMALL),
    "attachment_with_an_error": client_input(
        [CALL], frame(RESPONSE, block(attachment(3)) + b"abc", SECTIONS | ATTACHMENT | HAS_MESSAGE,
                      aux=5)),
    "descriptor": client_input([CALL | ATTACH], with_fds(
        frame(RESPONSE, tree(b"r", 2, file=1), HAS_MESSAGE), 1)),
    "descriptors_not_taken": client_input([CALL], with_fds(OK_REPLY, 9)),
    "descriptors_with_an_error": client_input(
        [CALL], with_fds(frame(RESPONSE, STATUS, SECTIONS, aux=5), 2)),
    "descriptors_with_an_error_and_a_message": client_input(
        [CALL], with_fds(frame(RESPONSE, STATUS, SECTIONS | HAS_MESSAGE, aux=5), 2)),
    "descriptors_of_a_stream": client_input(
        [OPEN_STREAM, STREAM_WRITE | ATTACH, STREAM_READ, STREAM_READ, STREAM_READ, FINISH_STREAM],
        with_fds(frame(MESSAGE, tree(file=1), HAS_MESSAGE), 1, MEMORY),
        with_fds(frame(MESSAGE, tree(number=3, file=1), HAS_MESSAGE), 2, FOLDER),
        with_fds(frame(RESPONSE), 1)),
    "descriptors_of_replies": client_input(
        [OPEN_READER | ATTACH, READ, READ, FINISH_READER],
        *[with_fds(frame(MESSAGE, tree(file=2), HAS_MESSAGE), 2)] * 3, frame(RESPONSE)),
    "descriptors_of_requests": client_input(
        [OPEN_WRITER, WRITE | ATTACH, WRITE | ATTACH, FINISH_WRITER], frame(CREDIT, aux=9000),
        with_fds(OK_REPLY, 1)),
    "descriptors_with_metadata": client_input(
        [OPEN_STREAM, STREAM_INITIAL, STREAM_READ, FINISH_STREAM],
        with_fds(frame(MESSAGE, METADATA + tree(file=1), SECTIONS | HAS_MESSAGE), 1)),
    "descriptors_with_metadata_alone": client_input(
        [OPEN_STREAM, STREAM_INITIAL, STREAM_READ, FINISH_STREAM],
        with_fds(frame(MESSAGE, METADATA, SECTIONS), 1)),
    "more_descriptors_than_said": client_input([CALL], with_fds(OK_REPLY, 3, says=2)),
    "fewer_descriptors_than_said": client_input([CALL], with_fds(OK_REPLY, 2, says=3)),
    "descriptors_said_and_none": client_input(
        [CALL], frame(RESPONSE, block(DESCRIPTORS) + tree(b"r"), SECTIONS | HAS_MESSAGE)),
    "descriptors_of_no_frame": client_input(
        [CALL, CALL], with_fds(frame(CREDIT, aux=1), 1, says=SAYS_NOTHING), OK_REPLY,
        with_fds(frame(CREDIT, aux=1), 1, says=SAYS_NOTHING)),
    "descriptors_of_another_call": client_input(
        [CALL], with_fds(frame(RESPONSE, b"", HAS_MESSAGE, call=9), 1),
        with_fds(frame(MESSAGE, b"", HAS_MESSAGE, call=200), 2), OK_REPLY),
    "descriptors_and_pieces": client_input(
        [CALL], with_fds(frame(RESPONSE, b"\x0a\x04", HAS_MESSAGE, rest=4), 2), frame(PIECE, b"abcd")),
    "descriptors_of_a_method_that_takes_none": client_input(
        [CALL_PLAIN, CALL], with_fds(frame(RESPONSE, b"", HAS_MESSAGE), 1), OK_REPLY),
    "too_many_descriptors": client_input([CALL], with_fds(OK_REPLY, 3), settings=GOOD | SMALL),
    "far_too_many_descriptors": client_input([CALL, CALL], with_fds(OK_REPLY, 7), OK_REPLY,
                                             settings=GOOD | SMALL),
    "too_many_untaken_descriptors": client_input(
        [OPEN_READER, OPEN_STREAM, READ, STREAM_READ],
        with_fds(frame(MESSAGE, b"", HAS_MESSAGE), 2),
        with_fds(frame(MESSAGE, b"", HAS_MESSAGE, call=1), 2), settings=GOOD | SMALL),
    "descriptors_to_who_takes_none": client_input([CALL], with_fds(OK_REPLY, 1),
                                                  settings=GOOD | CLIENT_NO_FDS),
    "descriptor_for_a_server_that_takes_none": client_input(
        [CALL | ATTACH], frame(HELLO, hello()), OK_REPLY, settings=0),
    "stranger": client_input([CALL], raw(b"SSH-2.0-OpenSSH_9.2\r\n"), settings=0),
    "nothing": b"",
}

for name, seeds in [("address", ADDRESSES), ("assembler", ASSEMBLER), ("client", CLIENT),
                    ("arrival", ARRIVALS), ("descriptors", STREAMS_WITH_DESCRIPTORS),
                    ("fifo_client", FIFO_SERVERS), ("fifo_listener", FIFO_CLIENTS),
                    ("frame", FRAME), ("hello", HELLOS), ("last_words", WORDS),
                    ("letters", LETTERS), ("offer", OFFERS),
                    ("queue", QUEUES), ("ring", RINGS), ("sections", SECTION_BLOCKS),
                    ("server", SERVER), ("shm", SHM), ("stream", STREAM)]:
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for seed, content in seeds.items():
        (folder / seed).write_bytes(content)
