"""A client of its own process: asks over keep-alive connections and prints answers a second."""

import socket
import sys
import time
from threading import Thread


def answers_a_second(port: int, target: str, token: str, connections: int, seconds: float) -> float:
    """How many whole answers come in."""
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nauthorization: {token}\r\n\r\n".encode()
    counts = [0] * connections
    end = time.monotonic() + seconds

    def run(index: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            while time.monotonic() < end:
                connection.sendall(request)
                read_answer(connection)
                counts[index] += 1

    threads = [Thread(target=run, args=(index,)) for index in range(connections)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)


def read_answer(connection: socket.socket) -> bytes:
    """The body of one answer; it has to be a 200."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return body


if __name__ == "__main__":
    port, target, token, connections, seconds = sys.argv[1:]
    print(answers_a_second(int(port), target, token, int(connections), float(seconds)))
