"""Run by test_devchain_restart in a process of its own: seals blocks into a file and says so, until it is killed."""

import sys
from pathlib import Path

from exchange.shell.devchain import DevChain
from exchange.shell.transactions import address_of

KEY = b"\x01" * 32


def main() -> None:
    dev = DevChain(allocation={address_of(KEY): 10**21}, store=Path(sys.argv[1]))
    print("ready", dev.head.number, dev.head.hash.hex(), flush=True)
    while True:
        if dev.head.number % 7 == 6:
            dev.reorg(2)
            print("head", dev.head.number, dev.head.hash.hex(), flush=True)
        receipt = dev.transact(KEY, b"\x99" * 20, value=1)
        print("sent", receipt.tx_hash.hex(), receipt.block_hash.hex(), flush=True)


if __name__ == "__main__":
    main()
