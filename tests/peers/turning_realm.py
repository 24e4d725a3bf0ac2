"""Passes datagrams on to a TURN server; but from the end of its standard input on it passes on nothing, and
answers every request in the server's place: who are you, in another realm?

Usage: turning_realm.py IP LISTEN_PORT SERVER_PORT LIE
"""
import selectors
import socket
import struct
import sys

COOKIE = b"\x21\x12\xa4\x42"
ERROR = 0x0110  # what makes an error response of a request's type (RFC 8489 section 5)


def attribute(number, value):
    return struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)


def challenge(request):
    body = attribute(0x0009, b"\0\0\4\1Unauthorized")
    body += attribute(0x0014, lie) + attribute(0x0015, b"a nonce")
    (kind,) = struct.unpack("!H", request[:2])
    return struct.pack("!HH", kind | ERROR, len(body)) + request[4:20] + body


def is_request(data):
    is_stun = len(data) >= 20 and data[0] < 0x40 and data[4:8] == COOKIE
    return is_stun and not (data[0] & 0x01 or data[1] & 0x10)


ip, listen, server, lie = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode()
ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ears.bind((ip, listen))
selector = selectors.DefaultSelector()
selector.register(ears, selectors.EVENT_READ)
selector.register(sys.stdin, selectors.EVENT_READ)
behind = {}  # a client's address -> its socket to the server
honest = True
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        if key.fileobj is sys.stdin:
            selector.unregister(sys.stdin)
            honest = False
            continue
        data, sender = key.fileobj.recvfrom(65536)
        if key.fileobj is not ears:
            if honest:
                ears.sendto(data, key.data)
        elif honest:
            if sender not in behind:
                behind[sender] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                selector.register(behind[sender], selectors.EVENT_READ, sender)
            behind[sender].sendto(data, (ip, server))
        elif is_request(data):
            ears.sendto(challenge(data), sender)
