"""Batch headers with the operator's signature, as anybody reads them out of the calldata of settlements.

Owns the way from the logs of Clearing to the statements they prove were made. Imports the shell's chain and bindings.
"""

from exchange.calldata import content_hash
from exchange.evidence import Statement
from exchange.shell.contract import Interface
from exchange.shell.deploy import Contracts
from exchange.signing import BatchHeader, expanded


async def signed_headers(contracts: Contracts) -> list[Statement]:
    """The header of each batch that was settled by a plain call of Clearing, oldest first. Raises ChainError.

    A batch that another contract passed on is left out: its calldata is not the transaction's.
    """
    chain, clearing = contracts.chain, contracts.clearing
    head = (await chain.block("latest")).number
    settled = await clearing.events(contracts.deployment.first_block, head, "BatchSettled")
    found: list[Statement] = []
    for event in settled:
        transaction = await chain.transaction(event.log.tx_hash)
        if transaction is not None and transaction.to == clearing.address:
            found.append(_statement(clearing.interface, transaction.data))
    return found


def _statement(interface: Interface, data: bytes) -> Statement:
    _, said = interface.decode_call(data)
    batch_id, round_id, deadline, journal_size, journal_root = said["batch"]
    header = BatchHeader(
        batch_id=batch_id,
        round_id=round_id,
        deadline=deadline,
        journal_size=journal_size,
        journal_root=bytes(journal_root),
    )
    return Statement(header, expanded(said["operator_r"], said["operator_vs"]), content_hash(bytes(said["body"])))
