"""Passes datagrams on to a TURN server, and lies about its realm in both directions.

Who believes it makes a key with the wrong realm, of which the server knows nothing: 401 again.

Usage: lying_realm.py IP LISTEN_PORT SERVER_PORT REALM LIE, the lie as long as the realm
"""
import selectors
import socket
import struct
import sys
import zlib

FINGERPRINT = struct.pack("!HH", 0x8028, 4)  # RFC 8489 section 14.7: the last attribute


def reworded(message, said, meant):
    message = message.replace(said, meant)
    if message[-8:-4] == FINGERPRINT:
        message = message[:-4] + struct.pack("!I", zlib.crc32(message[:-8]) ^ 0x5354554E)
    return message


ip, listen, server = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
realm, lie = sys.argv[4].encode(), sys.argv[5].encode()
ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ears.bind((ip, listen))
selector = selectors.DefaultSelector()
selector.register(ears, selectors.EVENT_READ)
behind = {}  # a client's address -> its socket to the server
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        data, sender = key.fileobj.recvfrom(65536)
        if key.fileobj is not ears:
            ears.sendto(reworded(data, realm, lie), key.data)
            continue
        if sender not in behind:
            behind[sender] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            selector.register(behind[sender], selectors.EVENT_READ, sender)
        behind[sender].sendto(reworded(data, lie, realm), (ip, server))
