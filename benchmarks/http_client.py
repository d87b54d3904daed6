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
        while time.monotonic() < end:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                is_last = False  # the server closes a connection after so many requests
                while not is_last and time.monotonic() < end:
                    connection.sendall(request)
                    head, _ = read_answer(connection)
                    is_last = b"connection: close" in head
                    counts[index] += 1

    threads = [Thread(target=run, args=(index,)) for index in range(connections)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)


def read_answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head in lower case and the body of one answer; it has to be a 200."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.lower()
    assert head.startswith(b"http/1.1 200"), head
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += _some(connection)
    return head, body


def _some(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    assert received, "the server hung up within an answer"
    return received


if __name__ == "__main__":
    port, target, token, connections, seconds = sys.argv[1:]
    print(answers_a_second(int(port), target, token, int(connections), float(seconds)))
