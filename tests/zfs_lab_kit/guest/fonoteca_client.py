#!/usr/bin/python3 -SE
"""`fonoteca` in the guest: asks the process that has it imported to run it in a child, with these arguments, folder and files."""

import array
import json
import os
import socket
import sys

ADDRESS = "/run/fonoteca.socket"


def ask(arguments, folder, environment, ends):
    """A connection on which the child's number comes at once, and later how it ended. Closing it before ends the child."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(ADDRESS)
    asked = json.dumps({"arguments": arguments, "folder": folder, "environment": environment}).encode("utf-8", "surrogateescape")
    link.sendmsg([len(asked).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", ends))])
    link.sendall(asked)
    return link


def read_line(link):
    """A line of the answer; empty where the connection has ended."""
    line = b""
    while not line.endswith(b"\n") and (byte := link.recv(1)):
        line += byte
    return line


def main():
    link = ask(sys.argv[1:], os.getcwd(), dict(os.environ), (0, 1, 2))
    read_line(link)
    status = int(read_line(link) or 255)
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main()
