"""Takes connections and closes them at once; with a certificate, after the TLS handshake.

Usage: closing.py IP PORT [CERTIFICATE KEY]
"""
import socket
import ssl
import sys

ears = socket.create_server((sys.argv[1], int(sys.argv[2])))
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[3:])
    ears = context.wrap_socket(ears, server_side=True)
print("ready", flush=True)
while True:
    try:
        ears.accept()[0].close()
    except OSError:  # it ended before the handshake did
        pass
