"""Send codes over a socket: one process encodes and sends, another receives and decodes.

A packet is the codes of one hop, 10 bytes at 6 kbit/s, behind its length. Both ends run on this
machine; give each its address to run them on two.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import struct

import numpy as np

import hopcodec
from hopcodec.audio import shipped_speech

LENGTH = struct.Struct("<H")


def pack(frame: np.ndarray, bits: int) -> bytes:
    """Return one frame's codes at so many bits each, low bits first."""
    places = (frame[:, None] >> np.arange(bits, dtype=np.uint16)) & 1
    return np.packbits(places.astype(np.uint8), bitorder="little").tobytes()


def unpack(data: bytes, bits: int) -> np.ndarray:
    """Return the codes of one frame, `(codebooks, 1)`."""
    places = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    rows = places[: len(places) // bits * bits].reshape(-1, bits).astype(np.uint16)
    return (rows << np.arange(bits, dtype=np.uint16)).sum(axis=1, dtype=np.uint16)[:, None]


def send(address: tuple[str, int], seconds: float, bandwidth: float) -> None:
    """Encode a clip hop by hop and send each frame as soon as it is there."""
    codec = hopcodec.load()
    audio = shipped_speech(codec.sample_rate, codec.channels, seconds)
    encoder = codec.encoder(bandwidth, start="immediate")
    with socket.create_connection(address) as connection:
        # Small packets that must not wait for one another.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin in range(0, audio.shape[1], codec.hop_samples):
            codes = encoder.push(audio[:, begin : begin + codec.hop_samples])
            for frame in codes.T:
                packet = pack(frame, codec.bits_per_code)
                connection.sendall(LENGTH.pack(len(packet)) + packet)


def receive(listener: socket.socket) -> tuple[np.ndarray, int]:
    """Decode what comes until the sender hangs up; return the audio and the bytes received."""
    codec = hopcodec.load()
    decoder, heard, received = codec.decoder(start="immediate"), [], 0
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as stream:
        while head := stream.read(LENGTH.size):
            packet = stream.read(LENGTH.unpack(head)[0])
            heard.append(decoder.push(unpack(packet, codec.bits_per_code)))
            received += len(packet)
    heard.append(decoder.flush())
    return np.concatenate(heard, axis=1), received


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of the clip")
    parser.add_argument("--bandwidth", type=float, default=6.0, help="kbit/s")
    options = parser.parse_args()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        work = (listener.getsockname(), options.seconds, options.bandwidth)
        sender = multiprocessing.get_context("spawn").Process(target=send, args=work)
        sender.start()
        heard, received = receive(listener)
        sender.join()

    codec = hopcodec.load()
    seconds = heard.shape[1] / codec.sample_rate
    hopcodec.write_audio("received.wav", heard, codec.sample_rate)
    print(f"received {received} bytes for {seconds:.2f} s: {received / seconds / 125:.2f} kbit/s")
    print("decoded: received.wav")


if __name__ == "__main__":
    main()
