"""``python -m harmonize_kit_cli``, as torchrun starts it."""

from __future__ import annotations

from harmonize_kit_cli.main import main

if __name__ == "__main__":
    main()
