"""Passes datagrams on to a server, and its answers back, each after a while.

Usage: slow_udp.py LISTEN_IP LISTEN_PORT SERVER_PORT MILLISECONDS
"""
import heapq
import selectors
import socket
import sys
import time

ip, listen, server, delay = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) / 1000
ears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ears.bind((ip, listen))
selector = selectors.DefaultSelector()
selector.register(ears, selectors.EVENT_READ)
behind = {}  # a client's address -> its socket to the server
waiting = []  # (when, number, socket, to, bytes)
number = 0
print("ready", flush=True)
while True:
    patience = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    for key, _ in selector.select(patience):
        data, sender = key.fileobj.recvfrom(65536)
        number += 1
        if key.fileobj is ears:
            if sender not in behind:
                behind[sender] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                selector.register(behind[sender], selectors.EVENT_READ, sender)
            heapq.heappush(waiting, (time.monotonic() + delay, number, behind[sender], (ip, server), data))
        else:
            heapq.heappush(waiting, (time.monotonic() + delay, number, ears, key.data, data))
    while waiting and waiting[0][0] <= time.monotonic():
        _, _, through, to, data = heapq.heappop(waiting)
        through.sendto(data, to)
