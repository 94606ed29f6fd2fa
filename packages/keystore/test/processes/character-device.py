"""A character device that answers as the TPM behind a Unix socket: one write is a command, one read its answer."""

import os
import pty
import socket
import sys
import tty

ours, theirs = pty.openpty()  # `theirs` stays open, so that the device outlives each of its users
tty.setraw(theirs)
tpm = socket.socket(socket.AF_UNIX)
tpm.connect(sys.argv[1])
print(os.ttyname(theirs), flush=True)
while True:
    tpm.sendall(os.read(ours, 4096))
    os.write(ours, tpm.recv(4096))
