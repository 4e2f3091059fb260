"""The seeds of the targets that try one medium, or a part of one."""

import struct

from seeds_encoding import (CREDIT, DESCRIPTORS, DEVICE, EVENT, FOLDER, GO_AWAY, MESSAGE, PING,
                            REQUEST, SECTIONS, SOCKET, block, fds, header)


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

def text(content):
    return bytes([len(content)]) + content


def come(token, pid=1, space=2):
    return struct.pack("<BIIQ", 1, pid, space, token)


def announce(content):
    return b"\0" + text(content)


ARRIVAL = b"nigh arr" + struct.pack("<III", 1, 9, 9) + b"0123456789abcdef"
TAKEN_IN, LOST = 0x0123456789abcdef, 0x9123456789abcdef
ACCEPT, ACCEPT_FLOOD = b"\x04\x00", b"\x04\x01"
WORKS, REMOVED, GONE, NO_MEMORY_LEFT = (bytes([5, error]) for error in range(4))
ARRIVALS = {
    "two_clients": b"\0" + come(TAKEN_IN) + come(TAKEN_IN + 1) + ACCEPT * 3,
    "clients_that_have_gone": b"\1" + come(LOST) * 3 + come(TAKEN_IN) + ACCEPT * 2,
    "a_flood_of_clients": b"\1" + come(LOST) + ACCEPT_FLOOD * 2 + ACCEPT,
    "a_flood_of_noise": b"\0" + announce(b"noise") + ACCEPT_FLOOD + come(TAKEN_IN) + ACCEPT,
    "the_same_client_again": b"\0" + come(TAKEN_IN) + b"\2\x07" + ACCEPT * 9,
    "by_hand": b"\0" + announce(ARRIVAL) + ACCEPT,
    "longer": b"\1" + announce(ARRIVAL + b"more") + ACCEPT,
    "shorter": b"\1" + announce(ARRIVAL[:-1]) + announce(b"") + ACCEPT,
    "later_version": b"\0" + announce(ARRIVAL.replace(b"\1\0\0\0", b"\2\0\0\0", 1)) + ACCEPT,
    "token_that_is_a_path": b"\0" + announce(ARRIVAL[:20] + b"/../../etc/passw") + ACCEPT,
    "token_in_capitals": b"\0" + announce(ARRIVAL[:20] + b"0123456789ABCDEF") + ACCEPT,
    "removed": b"\0" + come(TAKEN_IN) + REMOVED + ACCEPT + GONE + ACCEPT + WORKS + ACCEPT,
    "fails": b"\0" + NO_MEMORY_LEFT + ACCEPT,
    "names": b"\0" + b"".join(b"\3" + text(name) for name in (
        b"place.0123456789abcdef.c", b"place.0123456789abcdef.s", b"place.0123456789abcdef.x",
        b"place.0123456789abcde.c", b"place..c", b"other.0123456789abcdef.c")),
    "nothing": b"",
}

# What is under a client's two names: of what the server writes to, of what it reads from.
NOTHING, FIFO, UNOPENED, FILE, LINK, A_FOLDER = range(6)


def come_as(client, who=0):
    return bytes([1, client, who])


def make(client, to_client=FIFO, to_server=FIFO):
    return bytes([2, client, to_client + 6 * to_server])


ACCEPT_ONE, OTHER_GATE, ACCEPT_TIGHT = b"\3", b"\5", b"\6\0"
FIFO_CLIENTS = {
    "a_client": make(0) + come_as(0) + ACCEPT_ONE,
    "two_clients": make(0) + make(1) + come_as(1) + come_as(0) + ACCEPT_ONE * 3,
    "the_same_twice": make(0) + come_as(0) * 2 + ACCEPT_ONE * 2,
    "refused": OTHER_GATE + make(0) + come_as(0) + ACCEPT_ONE,
    "has_died": make(0) + come_as(0, 1) + ACCEPT_ONE,
    "of_another_namespace": make(0) + come_as(0, 2) + ACCEPT_ONE,
    "without_a_number": make(0) + come_as(0, 3) + ACCEPT_ONE,
    "has_gone": make(0, UNOPENED, UNOPENED) + come_as(0) + ACCEPT_ONE,
    "has_made_half": make(0, FIFO, NOTHING) + come_as(0) + ACCEPT_ONE,
    "has_made_files": make(0, FILE, FILE) + come_as(0) + ACCEPT_ONE,
    "has_made_links": make(0, LINK, LINK) + come_as(0) + ACCEPT_ONE,
    "has_made_folders": make(0, A_FOLDER, FIFO) + come_as(0) + ACCEPT_ONE,
    "has_made_nothing": come_as(0) + ACCEPT_ONE,
    "a_flood": b"\4\0\xff" + make(1) + come_as(1) + ACCEPT_ONE * 2,
    "noise_before": announce(b"noise") + make(0) + come_as(0) + ACCEPT_ONE,
    "noise_amid": announce(ARRIVAL[:20]) + make(0) + come_as(0) + ACCEPT_ONE,
    "in_two_pieces": announce(ARRIVAL[:9]) + ACCEPT_ONE + announce(ARRIVAL[9:]) + ACCEPT_ONE,
    "no_descriptors_left": make(0) + come_as(0) + ACCEPT_TIGHT + ACCEPT_ONE,
    "few_descriptors_left": make(0) + come_as(0) + b"\6\3" + ACCEPT_ONE,
    "nothing": b"",
}

HEAR, STOP_LISTENING, SERVER_HANGS_UP, SERVER_GOES = b"\3", b"\x08", b"\x09\0", b"\x09\1"


def say(length):
    return bytes([2, length])


def send_fifo(length):
    return struct.pack("<BH", 5, length)


FIFO_SERVERS = {
    "greets": b"\1\0" + say(5) + HEAR * 2 + send_fifo(9) + b"\6",
    "greets_late": HEAR + b"\7\0" + HEAR + send_fifo(9) + b"\1\0" + say(0) + HEAR * 3 + b"\6",
    "has_died": b"\1\1" + say(3) + HEAR * 2,
    "is_this_process": b"\1\xff" + say(3) + HEAR * 2,
    "has_no_number": b"\1\2" + say(3) + HEAR * 2,
    "speaks_without_greeting": say(3) + HEAR,
    "greets_with_another_letter": announce(b"x12345678") + HEAR,
    "greets_in_two_pieces": announce(b"n123") + HEAR + announce(b"45678") + HEAR,
    "greets_twice": b"\1\0\1\0" + HEAR * 2,
    "stops_listening": STOP_LISTENING + HEAR,
    "stops_listening_once_greeted": b"\1\0" + STOP_LISTENING + HEAR + say(2) + HEAR,
    "goes_once_greeted": b"\1\0" + say(2) + SERVER_GOES + HEAR * 3 + send_fifo(1),
    "hangs_up_amid_a_frame": b"\1\0" + announce(header(MESSAGE, 9)) + SERVER_HANGS_UP + HEAR * 2,
    "reads_nothing": b"\1\0" + HEAR + send_fifo(65000) * 4 + b"\6" * 20 + send_fifo(1),
    "refuses": b"\1\0" + announce(header(GO_AWAY, 2, aux=7) + b"no") + SERVER_GOES + HEAR * 2,
    "nothing": b"",
}

WORDS = {
    "one_line": text(b"cannot open the file\n"),
    "seven_lines": text(b"one\ntwo\nthree\nfour\nfive\nsix\nseven\n"),
    "in_pieces": text(b"half ") + text(b"a line"),
    "much": text(b"x" * 255) * 9,
    "much_space": text(b"word") + text(b" " * 255) * 9,
    "empty_lines": text(b"\n\n\n\n\n\n\n"),
    "binary": text(b"\0\xff\"\\\x1b[0m\xc3\xa4"),
    "ends_amid_a_letter": text(b"\xc3\xa4" * 127) * 5,
    "nothing": b"",
}

ASKS, TIGHT = 1, 2
RECEIVE_FRAMES, HANG_UP_NOW, TAKE_HELD = b"\5", b"\x09\0", b"\x09\1"


def anything(content, sent=fds()):
    return b"\0" + text(content) + sent


def honest(sent, length=3):
    return b"\1" + sent + bytes([length])


def lying(sent, says, length=3):
    return b"\2" + sent + bytes([says, length])


def without_message(step, steps):
    """The same step, of so many there are, with a frame that has no message."""
    high = step[0] + -(-(0x80 - step[0]) // steps) * steps
    return bytes([high]) + step[1:]


def several(sent, *says):
    return b"\3" + sent + bytes([len(says), *says])


def in_two(sent, says, cut, others=fds(), length=3):
    return b"\4" + sent + bytes([says, length, cut]) + others


def send_with(sent, length):
    return b"\7" + sent + struct.pack("<H", length)


def read(size):
    return b"\x08" + struct.pack("<H", size - 1)


STREAMS_WITH_DESCRIPTORS = {name: bytes([settings]) + steps for name, (settings, steps) in {
    "honest": (ASKS, honest(fds(2)) + honest(fds()) + honest(fds(1, SOCKET)) + RECEIVE_FRAMES * 3),
    "more_than_the_limit": (ASKS, honest(fds(15)) * 5 + RECEIVE_FRAMES * 5 + TAKE_HELD * 2 +
                            honest(fds(15)) + RECEIVE_FRAMES),
    "no_message": (ASKS, without_message(lying(fds(2), 2), 10) + RECEIVE_FRAMES),
    "no_message_and_none": (ASKS, without_message(lying(fds(), 0), 10) + RECEIVE_FRAMES),
    "far_too_many": (ASKS, honest(fds(253)) + honest(fds()) + RECEIVE_FRAMES * 3),
    "far_too_many_with_those_held":
        (ASKS, (honest(fds(15)) + RECEIVE_FRAMES) * 2 + honest(fds(253)) + RECEIVE_FRAMES * 2),
    "no_room": (ASKS | TIGHT, honest(fds(3)) + honest(fds(9)) + honest(fds(250)) + RECEIVE_FRAMES * 9),
    "unasked": (0, honest(fds(2)) + RECEIVE_FRAMES),
    "said_unasked": (0, lying(fds(), 2) + RECEIVE_FRAMES),
    "more_than_said": (ASKS, lying(fds(3), 2) + RECEIVE_FRAMES),
    "fewer_than_said": (ASKS, lying(fds(2), 3) + RECEIVE_FRAMES),
    "none_as_said": (ASKS, lying(fds(), 1) + RECEIVE_FRAMES),
    "of_no_frame": (ASKS, lying(fds(2), 0) + RECEIVE_FRAMES + honest(fds()) + RECEIVE_FRAMES),
    "of_the_frame_before": (ASKS, several(fds(2), 0, 2, 0) + RECEIVE_FRAMES),
    "for_two_frames": (ASKS, several(fds(2), 2, 2) + RECEIVE_FRAMES * 2),
    "amid_a_frame": (ASKS, in_two(fds(), 2, 9, fds(2, DEVICE)) + RECEIVE_FRAMES * 2),
    "twice_for_a_frame": (ASKS, in_two(fds(2), 2, 30, fds(2)) + RECEIVE_FRAMES * 3),
    "many_for_a_frame": (ASKS, in_two(fds(253), 2, 30, fds(253)) +
                         anything(b"", fds(253)) + RECEIVE_FRAMES * 3),
    "with_a_header_alone": (ASKS, anything(header(MESSAGE, 16, SECTIONS), fds(3)) +
                            anything(block(DESCRIPTORS)) + RECEIVE_FRAMES * 3),
    "with_a_byte": (ASKS, anything(b"\x10", fds(1, EVENT)) + anything(b"\0", fds(1)) + RECEIVE_FRAMES * 3),
    "at_the_end": (ASKS, honest(fds(1)) + anything(b"x", fds(1)) + HANG_UP_NOW + RECEIVE_FRAMES * 3),
    "sent": (ASKS, send_with(fds(2), 10) + send_with(fds(), 5) + send_with(fds(3, FOLDER), 0) +
             read(1) + read(20) + read(200) + read(200)),
    "sent_in_parts": (0, (send_with(fds(1), 60000) + send_with(fds(2), 60000) + read(50000)) * 4 +
                      read(60000) * 4),
    "nothing": (0, b""),
}.items()}


CLIENT, REFUSED, ARRIVALS_FULL = 1, 2, 4
DEAD, ELSEWHERE, NOBODY = 1 << 3, 2 << 3, 3 << 3


def put(content, urgency=1):
    return b"\0" + text(content) + bytes([urgency])


def put_frame(length, kind=MESSAGE, call=1, cut=0):
    return struct.pack("<BHBBB", 1, length, kind, call, cut)


def greet(who=0):
    return bytes([2, who])


def claim(claimed, length, kind=MESSAGE, call=1):
    return struct.pack("<BHHBB", 9, claimed, length, kind, call)


def meddle(out, what):
    return bytes([4, out, what])


FAREWELL, TAKE, RECEIVE_ONE, FLUSH_ALL, ARM_RECEIVE, CLOSE_NOW = (
    b"\3", b"\6", b"\7", b"\x0a", b"\x0b\0", b"\x0c\0")
NOTE, REMOVE, FAIL, NO_ROOM, MORE_ROOM = 0, 1, 2, 3, 83
THERE, LEFT = 1, 2
QUEUES = {name: bytes([settings]) + steps for name, (settings, steps) in {
    "server": (0, put_frame(5) + put_frame(0, PING) + RECEIVE_ONE * 3 + claim(9, 5) + FLUSH_ALL + TAKE),
    "client": (CLIENT, greet() + put_frame(5) + RECEIVE_ONE * 2 + claim(9, 9) + FLUSH_ALL + TAKE),
    "client_without_room": (CLIENT | ARRIVALS_FULL, b""),
    "client_refused": (CLIENT, greet() + put(header(GO_AWAY, 2, aux=7) + b"no") + FAREWELL +
                       RECEIVE_ONE * 3),
    "refuses": (REFUSED, b""),
    "client_has_died": (DEAD, b""),
    "client_of_another_namespace": (ELSEWHERE, put_frame(1) + RECEIVE_ONE),
    "client_without_a_number": (NOBODY, put_frame(1) + RECEIVE_ONE),
    "server_has_died": (CLIENT, greet(1) + put_frame(3) + RECEIVE_ONE * 2 + ARM_RECEIVE + RECEIVE_ONE),
    "greeted_twice": (CLIENT, greet() * 2 + RECEIVE_ONE * 2),
    "greeting_for_a_server": (0, greet() + RECEIVE_ONE),
    "short_greeting": (CLIENT, put(b"g123") + RECEIVE_ONE),
    "frame_before_the_greeting": (CLIENT, put_frame(3) + RECEIVE_ONE + greet() + RECEIVE_ONE),
    "control_overtakes": (0, b"".join(claim(8, 8, kind, call) for call, kind in enumerate(
        (MESSAGE, PING, REQUEST, CREDIT))) + FLUSH_ALL + TAKE * 4),
    "full": (0, b"".join(claim(400, 400, call=call) for call in range(12)) + FLUSH_ALL + TAKE * 3 +
             FLUSH_ALL + claim(488, 488) * 9),
    "message_that_is_no_frame": (0, put(b"GET / HTTP/1.1\r\n\r\n") + RECEIVE_ONE * 2),
    "empty_message": (0, put(b"") + RECEIVE_ONE),
    "cut_frame": (0, put_frame(40, cut=9) + RECEIVE_ONE),
    "longest_frame": (0, put_frame(488) + RECEIVE_ONE),
    "farewell": (0, put_frame(4) + FAREWELL + RECEIVE_ONE * 3 + claim(1, 1) + FLUSH_ALL),
    "farewell_of_two_bytes": (0, put(b"bb") + RECEIVE_ONE),
    "note_instead_of_a_farewell": (0, put_frame(1) * 8 + meddle(0, NOTE) + RECEIVE_ONE * 11),
    "note_of_a_receiver": (0, meddle(1, NOTE) + meddle(1, NO_ROOM) + claim(1, 1) + FLUSH_ALL),
    "removed": (0, meddle(0, REMOVE) + RECEIVE_ONE * 2 + meddle(1, REMOVE) + claim(1, 1) + FLUSH_ALL),
    "fails": (0, meddle(1, FAIL) + claim(1, 1) + FLUSH_ALL + RECEIVE_ONE),
    "room_again": (0, meddle(1, NO_ROOM) + claim(1, 1) + FLUSH_ALL + meddle(1, MORE_ROOM) + FLUSH_ALL),
    "server_left_before_it_came": (CLIENT, bytes([5, 1, LEFT]) + RECEIVE_ONE + ARM_RECEIVE),
    "server_is_there": (CLIENT, bytes([5, 0, THERE]) + claim(3, 3) + FLUSH_ALL + TAKE),
    "closed": (0, put_frame(1) + claim(2, 2) + FLUSH_ALL + CLOSE_NOW + RECEIVE_ONE + FLUSH_ALL),
    "nothing": (0, b""),
}.items()}
