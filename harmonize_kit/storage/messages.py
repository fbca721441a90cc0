"""What sites send each other: a folder of ``message.json`` and ``arrays.npz``, sealed as models."""

from __future__ import annotations

from harmonize_kit.storage.sealed import SealedFormat

MESSAGE = SealedFormat(
    "harmonize-kit/message", 1, "message.json", "message",
    noun="message", writer="federate", remedy="ask its sender for it again",
)  # fmt: skip
