"""The seeds of the targets of shared memory: offer, ring, letters and shm."""

import struct

from seeds_encoding import GO_AWAY, MEMORY, MESSAGE, SOCKET, fds, header
from seeds_media import text, anything, without_message, ASKS, TIGHT


def offer(descriptors, magic=b"nigh shm", version=2, memory=1, bells=0, ring=128 << 10,
          rest=bytes(12), bulk=0):
    """What offer.cc takes: which descriptors, then the message."""
    return (bytes([len(descriptors), *descriptors]) + magic +
            struct.pack("<HBBIi", version, memory, bells, ring, -1) + rest +
            struct.pack("<Ii", bulk, -1))


SEALED, UNSEALED, SMALL_MEMORY, BELL, NO_MEMORY, BULK = range(6)
TO_SERVER = 0x80
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
    "later_version": offer([SEALED], version=3),
    "bulk": offer([SEALED, BULK], bulk=1 << 20),
    "bulk_and_bells": offer([SEALED, BULK, BELL, BELL], bells=1, bulk=1 << 20),
    "bulk_without_memory": offer([SEALED], bulk=1 << 20),
    "bulk_that_is_none": offer([SEALED, BELL], bulk=1 << 20),
    "odd_bulk": offer([SEALED, BULK], bulk=(1 << 20) + 1),
    "truncated": offer([SEALED])[:20],
    "too_long": offer([SEALED], rest=bytes(13)),
    "rest": offer([SEALED], rest=b"x" * 12),
    "refused": b"\0" + header(GO_AWAY, 2, aux=7) + b"no",
    "refused_for_want": b"\1" + bytes([BELL]) + header(GO_AWAY, 0, aux=8),
    "refused_by_a_client": bytes([TO_SERVER]) + header(GO_AWAY, 2, aux=7) + b"no",
    "good_for_a_server": bytes([TO_SERVER | 1]) + offer([SEALED])[1:],
    "refused_with_another_code": b"\0" + header(GO_AWAY, 0, aux=5),
    "stranger": b"\0GET / HTTP/1.1\r\n\r\n",
    "nothing": b"",
}

COMMIT, PUBLISH, RECEIVE, ARM, TAIL, HEAD, DATA, MARKS, BULK, NOTICE, RETURN = range(11)
HONEST, LYING_WRITER, LYING_READER = range(3)


def commit(size, fill=0x61):
    return struct.pack("<BHB", COMMIT, size, fill)


# A payload of so many bytes more than a record takes, which lies beside the ring.
def commit_bulk(more, fill=0x61):
    return struct.pack("<BHB", BULK, more, fill)


def give_back(chunk, use):
    return struct.pack("<BBI", RETURN, chunk, use)


def bulk_record(chunk, use, offset):
    return struct.pack("<IIQ", chunk, use, offset)


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
    "tail_of_what_is_not_published": ring_input(LYING_WRITER, forged(TAIL, 65536), commit(32535),
                                                RECEIVE, b"\x03\x01"),
    "frame_beyond": ring_input(LYING_WRITER, data(0, header(MESSAGE, 100)), forged(TAIL, 64), RECEIVE),
    "skip": ring_input(LYING_WRITER, forged(TAIL, 128 << 10), RECEIVE),
    "head_beyond": ring_input(LYING_READER, *[commit(30000)] * 5, PUBLISH, forged(HEAD, 1 << 40),
                              commit(9), PUBLISH, b"\x03\x01"),
    "head_unaligned": ring_input(LYING_READER, *[commit(30000)] * 4, PUBLISH, commit(30000),
                                 forged(HEAD, 65), b"\x03\x01"),
    "bulk": ring_input(HONEST, *[NOTICE, commit_bulk(9), PUBLISH, RECEIVE] * 3, commit(5), PUBLISH, RECEIVE),
    "bulk_until_full": ring_input(HONEST, *[commit_bulk(60000)] * 5, PUBLISH, RECEIVE, commit_bulk(60000), PUBLISH),
    "notices": ring_input(HONEST, *[NOTICE] * 40, PUBLISH, RECEIVE, commit(5), NOTICE, PUBLISH, RECEIVE),
    "bulk_beyond": ring_input(LYING_WRITER, data(0, header(MESSAGE, 40000) + bulk_record(0, 1, 250000)),
                              forged(TAIL, 64), RECEIVE),
    "bulk_in_no_chunk": ring_input(LYING_WRITER, data(0, header(MESSAGE, 40000) + bulk_record(256, 1, 0)),
                                   forged(TAIL, 64), RECEIVE),
    "bulk_that_is_too_long": ring_input(LYING_WRITER, data(0, header(MESSAGE, 300000)), forged(TAIL, 64), RECEIVE),
    "bulk_given_back_twice": ring_input(LYING_READER, commit_bulk(9), PUBLISH, RECEIVE, give_back(0, 7),
                                        commit_bulk(9)),
    "marks": ring_input(LYING_READER, forged(MARKS, 0), commit(1), PUBLISH, forged(MARKS, 64), commit(1), PUBLISH),
    "nothing": b"",
}


def letter(sent):
    return b"\1" + sent


LOOK, OPEN, SEND_LETTERS, HANG_UP_LETTERS, READ_LETTER = b"\4", b"\6", b"\x08", b"\x09\0", b"\x09\2"
GENEROUS, DROP_OPENED, ATTACH_LETTER = 4, b"\x09\1", b"\7"
DATA_LETTER, ROOM_LETTER = b"\2\0", b"\2\1"
LETTERS = {name: bytes([settings]) + steps for name, (settings, steps) in {
    "descriptors": (ASKS, letter(fds(2)) + letter(fds(1, SOCKET)) + LOOK * 3 + OPEN * 3),
    "bells": (ASKS, DATA_LETTER + ROOM_LETTER + LOOK * 3),
    "descriptors_unasked": (0, letter(fds(1)) + LOOK),
    "no_descriptors": (ASKS, letter(fds()) + LOOK),
    "descriptors_with_a_bell": (ASKS, anything(b"d", fds(1)) + LOOK),
    "another_letter": (ASKS, anything(b"x") + LOOK),
    "two_letters_in_one": (ASKS, anything(b"ff", fds(1)) + LOOK),
    "a_long_one": (ASKS, anything(b"d" * 99, fds(2)) + LOOK),
    "an_empty_one": (ASKS, anything(b"") + LOOK),
    "an_empty_one_with_descriptors": (ASKS, anything(b"", fds(1)) + LOOK),
    "a_flood_of_descriptors":
        (ASKS | GENEROUS, b"\3" + fds(253) + b"\x04" + letter(fds(253)) + LOOK),
    "a_flood_of_letters":
        (ASKS | GENEROUS, (b"\3" + fds(1) + b"\xff") * 4 + (letter(fds(1)) + LOOK) * 6),
    "as_many_as_are_kept":
        (ASKS | GENEROUS, (letter(fds(253)) + LOOK) * 2 + (letter(fds(1)) + LOOK) * 4),
    "far_too_many": (ASKS, letter(fds(253)) + LOOK),
    "far_too_many_that_were_opened": (ASKS, (letter(fds(15)) + LOOK + OPEN) * 6),
    "not_too_many_at_once": (ASKS, (letter(fds(15)) + LOOK + OPEN + DROP_OPENED) * 9),
    "no_room": (ASKS | TIGHT, letter(fds(9)) + letter(fds(253)) + LOOK * 2 + OPEN * 2),
    "sent": (ASKS, ATTACH_LETTER + fds(2) + ATTACH_LETTER + fds(1, MEMORY) + SEND_LETTERS +
             READ_LETTER * 2),
    "sent_until_full": (0, (ATTACH_LETTER + fds(1)) * 257 + SEND_LETTERS + HANG_UP_LETTERS + LOOK * 2),
    "sent_all_that_fits": (0, (ATTACH_LETTER + fds(15)) * 17 + SEND_LETTERS + ATTACH_LETTER + fds(253) +
                           SEND_LETTERS + READ_LETTER * 18 + ATTACH_LETTER + fds(9) + SEND_LETTERS),
    "gone": (ASKS, letter(fds(1)) + HANG_UP_LETTERS + LOOK * 3 + OPEN * 2),
    "nothing": (0, b""),
}.items()}

STRANGER, NO_BULK = 2, 4
OFFER, BELL_LETTER, RECEIVE_RING, ARM_RING, HANG_UP_RING = b"\0", b"\6\0", b"\7", b"\x09\0", b"\x0f\0"
DROP_IN_RING, ARM_RING_TO_SEND, NOTICE_IN_RING = b"\x0f\1", b"\x09\1", b"\x0c"


def write(content, sent=fds()):
    return b"\1" + text(content) + sent


def put_in_ring(sent=fds(), length=9):
    return b"\2" + sent + struct.pack("<H", length)


def lie_in_ring(sent, says):
    return b"\3" + sent + bytes([says, 3])


def forge(what, value):
    return struct.pack("<BBQ", 4, what, value)


def forge_data(at, content):
    return struct.pack("<BH", 5, at // 8) + text(content)


def send_in_ring(sent=fds(), length=9):
    return b"\x0a" + sent + struct.pack("<H", length)


# A payload of so many bytes more than a record takes, which lies in the peer's bulk region.
def put_beside_ring(more=9):
    return struct.pack("<BHB", 11, more, 0x61)


def lie_beside_ring(more, chunk, use, offset):
    return struct.pack("<BIHIQ", 13, more, chunk, use, offset)


def give_back_chunk(chunk, use):
    return struct.pack("<BBI", 14, chunk, use)


SHM = {name: bytes([settings]) + steps for name, (settings, steps) in {
    "frames": (0, OFFER + put_in_ring() + put_in_ring(length=30000) + RECEIVE_RING * 2),
    "frames_before_the_offer": (0, put_in_ring() + RECEIVE_RING + OFFER + RECEIVE_RING * 2),
    "frames_of_a_stranger": (STRANGER, OFFER + put_in_ring() * 5 + RECEIVE_RING * 6),
    "around": (STRANGER, OFFER + (put_in_ring(length=30000) + RECEIVE_RING) * 6),
    "descriptors": (ASKS, OFFER + put_in_ring(fds(2)) + put_in_ring() + put_in_ring(fds(1, SOCKET)) +
                    RECEIVE_RING * 3),
    "descriptors_of_a_stranger": (ASKS | STRANGER, OFFER + put_in_ring(fds(2)) + RECEIVE_RING),
    "descriptors_unasked": (0, OFFER + put_in_ring(fds(1)) + ARM_RING + RECEIVE_RING * 2),
    "descriptors_before_the_offer": (ASKS, put_in_ring(fds(1)) + OFFER + RECEIVE_RING * 2),
    "descriptors_and_no_message": (ASKS, OFFER + without_message(lie_in_ring(fds(2), 2), 16) + RECEIVE_RING),
    "more_descriptors_than_may_be_kept":
        (ASKS, OFFER + (put_in_ring(fds(15)) + RECEIVE_RING) * 18 + DROP_IN_RING * 3 +
         (put_in_ring(fds(15)) + RECEIVE_RING) * 3),
    "too_many_descriptors":
        (ASKS, OFFER + (put_in_ring(fds(15)) + RECEIVE_RING) * 17 +
         (put_in_ring(fds(253)) + RECEIVE_RING) * 2),
    "far_too_many_descriptors_ahead":
        (ASKS, OFFER + (put_in_ring(fds(15)) + RECEIVE_RING) * 17 + send_in_ring(length=30000) * 5 +
         ARM_RING_TO_SEND + put_in_ring(fds(253)) + put_in_ring(fds(15)) + send_in_ring(length=30000) +
         RECEIVE_RING * 3),
    "more_descriptors_than_go_ahead":
        (ASKS, OFFER + put_in_ring() + RECEIVE_RING + put_in_ring(fds(253)) * 4 + RECEIVE_RING * 4),
    "more_descriptors_than_said": (ASKS, OFFER + lie_in_ring(fds(3), 2) + RECEIVE_RING),
    "descriptors_that_did_not_come": (ASKS, OFFER + lie_in_ring(fds(), 2) + RECEIVE_RING),
    "descriptors_of_no_frame": (ASKS, OFFER + put_in_ring() + RECEIVE_RING +
                                write(b"f", fds(1)) * 20 + (ARM_RING + RECEIVE_RING) * 3),
    "bells_for_nobody": (0, OFFER + RECEIVE_RING + BELL_LETTER * 3 + ARM_RING + RECEIVE_RING),
    "a_bell_for_a_sleeper": (0, OFFER + RECEIVE_RING + ARM_RING + BELL_LETTER + RECEIVE_RING),
    "a_letter_that_is_none": (0, OFFER + RECEIVE_RING + write(b"x") + ARM_RING + RECEIVE_RING),
    "two_offers": (0, OFFER * 2 + RECEIVE_RING + ARM_RING + RECEIVE_RING),
    "no_offer": (0, write(b"GET / HTTP/1.1\r\n\r\n") + RECEIVE_RING),
    "refused": (0, write(header(GO_AWAY, 2, aux=7) + b"no") + RECEIVE_RING),
    "tail_beyond": (0, OFFER + RECEIVE_RING + forge(0, 1 << 40) + RECEIVE_RING),
    "frame_beyond": (STRANGER, OFFER + forge_data(0, header(MESSAGE, 40000)) + forge(0, 64) + RECEIVE_RING),
    "head_beyond": (0, OFFER + RECEIVE_RING + forge(1, 1 << 40) + send_in_ring(length=30000) * 5),
    "sent": (0, OFFER + send_in_ring() + send_in_ring(fds(2)) + RECEIVE_RING + send_in_ring(fds(1))),
    "sent_until_full": (0, OFFER + send_in_ring(length=30000) * 5 + ARM_RING_TO_SEND + RECEIVE_RING),
    "bulk": (0, OFFER + (NOTICE_IN_RING + RECEIVE_RING + put_beside_ring() + RECEIVE_RING) * 3 + put_in_ring() +
             RECEIVE_RING),
    "bulk_before_the_offer": (0, put_beside_ring() + RECEIVE_RING + OFFER + RECEIVE_RING * 2),
    "bulk_of_a_stranger": (STRANGER, OFFER + put_beside_ring() + RECEIVE_RING),
    "bulk_without_a_region": (NO_BULK, OFFER + put_beside_ring() + RECEIVE_RING),
    "notice_of_a_stranger": (STRANGER, OFFER + NOTICE_IN_RING + RECEIVE_RING),
    "bulk_beyond": (0, OFFER + lie_beside_ring(9, 0, 1, (1 << 20) - 9) + RECEIVE_RING),
    "bulk_in_a_hole": (0, OFFER + lie_beside_ring(9, 3, 1, 1 << 19) + RECEIVE_RING * 2),
    "bulk_sent": (0, OFFER + RECEIVE_RING + send_in_ring(length=40000) * 3 + give_back_chunk(0, 1) +
                  send_in_ring(length=65000)),
    "bulk_sent_until_full": (0, OFFER + RECEIVE_RING + send_in_ring(length=65000) * 18),
    "bulk_given_back_twice": (0, OFFER + RECEIVE_RING + send_in_ring(length=40000) + give_back_chunk(0, 7) +
                              send_in_ring(length=40000)),
    "gone": (0, OFFER + put_in_ring() * 3 + HANG_UP_RING + RECEIVE_RING + send_in_ring()),
    "nothing": (0, b""),
}.items()}
